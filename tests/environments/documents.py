"""The commands that README and the other documents give, read out of their shell blocks."""

import os
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.command import ROOT

SHELLS = ("sh", "bash", "shell", "console")
# Below the root: what git ignores.
MADE = frozenset({"build", "cache", "models", "output", "third_party/mlperf"})
FENCE = re.compile(r"\s*(`{3,}|~{3,})\s*(\w*)\s*$")


@dataclass(frozen=True)
class Command:
    """One command, with the lines that continue it. `line` is its first one's number."""

    line: int
    text: str


def files(suffix: str) -> list[str]:
    """Paths below the root of what the product has of a kind of file; tests are none of it."""
    found = []
    for folder, folders, names in os.walk(ROOT):
        here = Path(folder).relative_to(ROOT)
        left_out = {"tests", *made(folder, folders)}
        folders[:] = [name for name in folders if name not in left_out]
        found += [str(here / name) for name in names if name.endswith(suffix)]
    return sorted(found)


def made(folder: str, names: Sequence[str]) -> set[str]:
    """Those of the `names` in the folder that a clean clone does not have."""
    here = Path(folder).relative_to(ROOT)
    return {
        name
        for name in names
        if name[0] == "." or name == "__pycache__" or str(here / name) in MADE
    }


def documents() -> tuple[str, ...]:
    """Paths below the root, README first: who reads another has followed that."""
    return tuple(sorted(files(".md"), key=lambda path: path != "README.md"))


def commands(document: str) -> list[Command]:
    """The commands of the document's shell blocks, in order."""
    found: list[Command] = []
    pending, first = "", 0
    for number, line, language in _lines(document):
        if language not in SHELLS:
            continue
        text = line.lstrip().removeprefix("$ ") if language == "console" else line
        if not pending and (not text.strip() or text.lstrip().startswith("#")):
            continue
        first = first if pending else number
        pending += text + "\n"
        if _is_complete(pending):
            found.append(Command(first, pending.strip()))
            pending = ""
    assert not pending, f"{document}: {pending!r} does not end"
    return found


def prose(document: str) -> Iterator[tuple[int, str]]:
    """Number and text of the lines that are in no block of a named language."""
    for number, line, language in _lines(document):
        if not language:
            yield number, line


def _lines(document: str) -> Iterator[tuple[int, str, str]]:
    """Number, text and language (empty outside of blocks) of each line but the fences."""
    fence, language = "", ""
    lines = (ROOT / document).read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, start=1):
        match = FENCE.match(line)
        if match and not fence:
            fence, language = match.groups()
        elif match and match[1].startswith(fence) and not match[2]:
            fence, language = "", ""
        else:
            yield number, line, language


def _is_complete(text: str) -> bool:
    if re.search(r"(\\|\||&&)\s*\Z", text):
        return False
    try:
        shlex.split(text, comments=True)
    except ValueError:  # an open quotation mark
        return False
    return True
