"""What the operating system refuses is told as what it is."""

import errno
import fcntl
import os
from pathlib import Path

import pytest

from dataset import DATASETS, DatasetConfig
from mlperf_benchmark.core.errors import OutputError
from mlperf_benchmark.core.files import staged
from mlperf_benchmark.run.output_folder import OutputFolder
from tests.synthetic_images import png, write_folder


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EBADF])
def test_file_system_without_locks_will_do(
    number: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Lustre without flock, NFS and others; the refusal is made up."""

    def flock(_descriptor: int, _operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    with OutputFolder(tmp_path / "output").open(overwrite=False):
        assert "has no locks" in capsys.readouterr().err
    folder = write_folder(tmp_path / "set", {"a.JPEG": png(8, 8, 0)})
    dataset = DATASETS.load("imagenet")(DatasetConfig(folder, None, tmp_path / "cache", None))
    assert dataset.prepare().count == 1
    assert "let only one run at a time write there" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "free space there"),
        (errno.EDQUOT, "free space there"),
        (errno.EROFS, "that you may write to"),
        (errno.EIO, "the disk may be full or failing"),
        (errno.ESTALE, "choose another folder"),
        (errno.ENAMETOOLONG, "the name is too long"),
    ],
)
def test_advice_fits_the_refusal(tmp_path: Path, number: int, words: str) -> None:
    with pytest.raises(OutputError) as caught, staged(tmp_path / "out"):
        raise OSError(number, os.strerror(number))
    message = str(caught.value)
    assert message.startswith(f"Cannot write to {tmp_path / 'out'}: {os.strerror(number)}; ")
    assert words in message
    assert ("free space" in message) == (words == "free space there")


def test_file_that_is_missing_elsewhere_is_not_told_as_the_folder(tmp_path: Path) -> None:
    with pytest.raises(OutputError) as caught, staged(tmp_path / "out"):
        (tmp_path / "source").read_bytes()
    assert str(caught.value) == f"{tmp_path / 'source'}: No such file or directory."
