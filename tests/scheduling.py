"""Which tests one process runs, where several share the work."""

from pathlib import PurePosixPath

from xdist.scheduler import LoadScopeScheduling


class FolderScheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Tests of a folder share what is made once a session, so one process runs them all."""

    def _split_scope(self, nodeid: str) -> str:
        file = PurePosixPath(nodeid.partition("::")[0])
        return str(file if file.parent.name == "tests" else file.parent)
