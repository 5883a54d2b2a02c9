"""Names, sizes and places of files, anywhere in a tree."""

from pathlib import Path

from mlperf_benchmark.submit.checking.finding import Finding, Findings, files, folders
from mlperf_benchmark.submit.documents import REHEARSAL_FILE
from mlperf_benchmark.submit.rules import DIVISIONS, MAX_FILE_BYTES, NETWORK

AT_ROOT = (".md", ".pdf")
NOT_DIVISIONS = (".git", ".github", "assets", NETWORK)
REMOVE = "Remove it."


def check_root(tree: Path) -> Findings:
    """What lies outside of the submitters' folders."""
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


def check_names(tree: Path, submitter: Path) -> Findings:
    """A submitter's folder and every entry below it."""
    for path in (submitter, *sorted(submitter.rglob("*"))):
        if path.name.startswith("."):
            yield Finding(path, "a hidden file or folder", REMOVE)
        if " " in path.name:
            yield Finding(path, "a name with a space", "Rename it.")
        if path.is_symlink() and not path.exists():
            yield Finding(path, "a symbolic link to nowhere", REMOVE)
        elif path.is_dir():
            yield from _check_folder(path)
        elif path.is_symlink() and not (tree / path.readlink()).exists():
            # The checkers look for a link's target from the root of the tree.
            yield Finding(
                path,
                "a symbolic link that MLCommons' checkers take for broken",
                "Put the file itself here.",
            )
        elif path.stat().st_size > MAX_FILE_BYTES:
            yield Finding(path, "a file above 50 MiB", "Leave it out, or shorten it.")


def _check_folder(path: Path) -> Findings:
    if path.name.endswith("__pycache__"):
        yield Finding(path, "a folder of compiled Python", REMOVE)
    if not any(path.iterdir()):
        yield Finding(path, "an empty folder", REMOVE)
