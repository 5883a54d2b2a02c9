"""Advice for when the operating system refuses to write."""

import errno

SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})
PERMISSION = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


def way_out(error: OSError, option: str | None = None) -> str:
    """A clause that says what to do; `option` is the option that names the folder."""
    number = error.errno or 0
    by_option = f" with {option}" if option else ""
    other = f"choose another folder{by_option}"
    if number in SPACE:
        return f"free space there, or {other}"
    if number in PERMISSION:
        return f"choose a folder that you may write to{by_option}"
    causes = {
        errno.EFBIG: "the file system or a limit does not allow a file of this size",
        errno.ENOTDIR: "a part of the path is a file",
        errno.EEXIST: "a file of that name is in the way",
        errno.EISDIR: "a folder of that name is in the way",
        errno.ENOTEMPTY: "a folder of that name is in the way",
        errno.ENAMETOOLONG: "the name is too long",
        errno.EIO: "the disk may be full or failing",
    }
    return f"{causes[number]}; {other}" if number in causes else other
