"""What is found in place of a file that was never fetched: a pointer, a web page, nothing."""

from pathlib import Path

HEAD_BYTES = 1024
BLANK = b"\xef\xbb\xbf \t\r\n"
GIT_LFS = b"version https://git-lfs.github.com/spec/"
GIT_ANNEX = b"/annex/objects/"
WEB_PAGE = (b"<!doctype html", b"<html", b"<head", b"<body")
WEB_ERROR = b"<error>"


def placeholder(head: bytes) -> str | None:
    """What a file that begins with `head` is, and how to get the real one; None for any other."""
    text = head.lstrip(BLANK).lower()
    if not text:
        return None if head else "is empty; get the file again"
    if text.startswith(GIT_LFS):
        return "is a Git LFS pointer, not the file itself; fetch that with git lfs pull"
    if text.startswith(GIT_ANNEX):
        return "is a git-annex pointer, not the file itself; fetch that with git annex get"
    if text.startswith(WEB_PAGE) or (
        text.startswith(b"<?xml") and any(mark in text for mark in (WEB_ERROR, b"<html"))
    ):
        return (
            "is a web page, not the file itself; download that from an address that needs no"
            " login, or in a browser"
        )
    return None


def placeholder_in(file: Path) -> str | None:
    """`placeholder` of what `file` begins with. Raises OSError."""
    with file.open("rb") as opened:
        return placeholder(opened.read(HEAD_BYTES))
