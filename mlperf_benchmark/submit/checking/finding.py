"""Findings about a tree, and reading its files."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Finding:
    """One fault: where it is, what it is and what to do about it. A note is no fault."""

    path: Path
    problem: str
    cure: str = ""
    is_note: bool = False

    def line(self, root: Path) -> str:
        """For the user, in one line, with the path as seen from the tree's root."""
        path = self.path.relative_to(root) if self.path.is_relative_to(root) else self.path
        note = "note: " if self.is_note else ""
        return _printable(f"{path}: {note}{self.problem}. {self.cure}")


Findings = Iterator[Finding]


def note(path: Path, remark: str) -> Finding:
    """Note what is worth knowing and no fault."""
    return Finding(path, remark, is_note=True)


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in a JSON file; None where there is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def read_lines(path: Path) -> list[str]:
    """The lines of a text file; none where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def folders(path: Path) -> list[Path]:
    """The folders in a folder, by name."""
    return sorted(entry for entry in path.iterdir() if entry.is_dir()) if path.is_dir() else []


def files(path: Path) -> set[str]:
    """The names of the files in a folder."""
    return {entry.name for entry in path.iterdir() if entry.is_file()} if path.is_dir() else set()


def exactly(folder: Path, required: Iterable[str], optional: Iterable[str], cure: str) -> Findings:
    """Findings for files of a folder that are missing or should not be there."""
    required = set(required)
    present = files(folder)
    missing = sorted(required - present)
    extra = sorted(present - required - set(optional))
    if missing:
        yield Finding(folder, f"{', '.join(missing)} missing", cure)
    if extra:
        yield Finding(folder, f"{', '.join(extra)} should not be here", "Remove it.")


def _printable(text: str) -> str:
    """Logs and names of files may hold line ends, control characters and bytes that are no text."""
    characters = " ".join(text.split())
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode() for c in characters
    )
