"""Files and folders that systems put beside a user's own."""

NAMES = frozenset({"__macosx", "@eadir", "desktop.ini", "thumbs.db"})
"""Of macOS, Synology and Windows, in lower case."""


def is_junk(name: str) -> bool:
    """Whether a file or folder is hidden, or put there by a system for itself."""
    return name.startswith(".") or name.lower() in NAMES
