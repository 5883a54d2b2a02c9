"""Makes text that others wrote fit to be shown."""

import re

# Sequences that move a terminal's cursor, colour it or set its title: ECMA-48, section 5.4 and 5.6.
_SEQUENCES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[ -/]*[0-~]"
)
_BLANKS = re.compile("[\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029]")
# Control characters, marks that change the direction of text, and what XML does not allow.
_UNFIT = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff]"
)


def printable(text: str) -> str:
    """`text` on one line: no control characters, no terminal sequences, no lone surrogates.

    Line breaks and tabs become spaces; bytes of a name that are not UTF-8 become \\udc….
    """
    text = _BLANKS.sub(" ", _SEQUENCES.sub("", text))
    return encodable(_UNFIT.sub("", text))


def encodable(text: str) -> str:
    """`text` with everything escaped that is not Unicode: a Latin-1 "ñ" of a path as "\\udcf1".

    In JSON that is the path itself again, as Python holds it.
    """
    return text.encode("utf-8", "backslashreplace").decode()


def first_line(error: BaseException) -> str:
    """The first line of a library's error message."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def finding(subject: str, text: str, advice: str) -> str:
    """What was found out about `subject`, with the advice that follows, if there is one."""
    return f"{subject}: {text}." + (f" {advice[:1].upper()}{advice[1:]}." if advice else "")
