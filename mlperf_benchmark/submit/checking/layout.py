"""Names, sizes and places of files, anywhere in a tree."""

from collections.abc import Iterator
from pathlib import Path

from mlperf_benchmark.submit.checking.finding import Finding, Findings, files, folders
from mlperf_benchmark.submit.documents import REHEARSAL_FILE
from mlperf_benchmark.submit.rules import DIVISIONS, MAX_FILE_BYTES

AT_ROOT = (".md", ".pdf")
NOT_DIVISIONS = (".git", ".github", "assets")
REMOVE = "Remove it."


def check_root(tree: Path) -> Findings:
    """What stands outside of the submitters' folders."""
    for name in sorted(files(tree)):
        if not name.endswith(AT_ROOT):
            yield Finding(tree / name, "a file outside the division folders", REMOVE)
    if (tree / REHEARSAL_FILE).exists():
        yield Finding(
            tree / REHEARSAL_FILE,
            "this tree is a rehearsal",
            "Make it without --time and --rehearsal.",
        )
    for folder in folders(tree):
        if folder.name in DIVISIONS:
            for name in sorted(files(folder)):
                yield Finding(folder / name, "a file outside the submitters' folders", REMOVE)
        elif folder.name not in NOT_DIVISIONS:
            known = " and ".join(DIVISIONS)
            yield Finding(folder, "no division that is known here", f"Known: {known}.")


def check_names(submitter: Path) -> Findings:
    """Every entry below a submitter's folder."""
    for path in _entries(submitter):
        if path.name == "__pycache__":
            yield Finding(path, "a folder of compiled Python", REMOVE)
        elif path.name.startswith("."):
            yield Finding(path, "a hidden file or folder", REMOVE)
        if " " in path.name:
            yield Finding(path, "a name with a blank", "Rename it.")
        if path.is_symlink() and not path.exists():
            yield Finding(path, "a symbolic link to nowhere", REMOVE)
        elif path.is_dir():
            if not any(path.iterdir()):
                yield Finding(path, "an empty folder", REMOVE)
        elif path.stat().st_size > MAX_FILE_BYTES:
            yield Finding(path, "a file above 50 MB", "Leave it out, or shorten it.")


def _entries(folder: Path) -> Iterator[Path]:
    yield from sorted(folder.rglob("*"))
