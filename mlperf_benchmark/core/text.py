"""Text that may hold names of files, whose bytes need not be UTF-8."""


def printable(text: str) -> str:
    """`text` with what is no Unicode escaped: a Latin-1 "ñ" of a path as "\\udcf1".

    In JSON that is the path itself again, as Python holds it.
    """
    return text.encode("utf-8", "backslashreplace").decode()
