"""Finds the file that OpenVINO shall read; archives are unpacked into the cache."""

import shutil
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from mlperf_benchmark.core.disk import way_out
from mlperf_benchmark.core.errors import CacheError, ModelError
from mlperf_benchmark.core.files import file_sha256
from mlperf_benchmark.core.junk import is_junk
from mlperf_benchmark.core.placeholders import placeholder_in
from mlperf_benchmark.core.working_folder import scratch_folder, working_folder
from mlperf_benchmark.models.files.model_files import model_files

SUFFIXES = (".xml", ".onnx", ".zip")
MAX_UNPACKED_BYTES = 4 << 30
CHUNK_BYTES = 1 << 20


@contextmanager
def readable(model: Path, cache_dir: Path) -> Iterator[Path]:
    """`model_file`; where `cache_dir` cannot be written an archive is unpacked for a while only."""
    try:
        path = model_file(model, cache_dir)
    except CacheError as error:
        if not error.is_denied:
            raise
    else:
        yield path
        return
    with scratch_folder("model") as folder:
        yield model_file(model, folder)


def model_file(model: Path, cache_dir: Path) -> Path:
    """Path of the .xml or .onnx to read; ModelError when there is none, or not all of it.

    A .zip must hold one .xml and one .bin.
    """
    if not model.is_file():
        raise ModelError(f"No model file {model}; --model takes {', '.join(SUFFIXES)}.")
    suffix = model.suffix.lower()
    if suffix not in SUFFIXES:
        raise ModelError(f"{model} is not one of {', '.join(SUFFIXES)}.")
    if suffix == ".zip":
        return _unpacked(model, cache_dir)
    return model_files(model)[0]


def _unpacked(archive: Path, cache_dir: Path) -> Path:
    try:
        with zipfile.ZipFile(archive) as opened:
            members = _pair(archive, opened)
            folder = cache_dir / "models" / file_sha256(archive)[:16]
            if not _is_unpacked(members, folder):
                shutil.rmtree(folder, ignore_errors=True)
                _unpack(opened, members, folder)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        what = placeholder_in(archive) or f"is damaged or not a zip archive: {error}"
        raise ModelError(f"{archive} {what}.") from error
    except (RuntimeError, NotImplementedError) as error:
        raise ModelError(f"{archive} is encrypted or packed in a way unknown here.") from error
    except OSError as error:
        if error.filename == str(archive):
            raise ModelError(f"Cannot read {archive}: {error.strerror}.") from error
        raise CacheError(
            f"Cannot unpack {archive} into {cache_dir}: {error.strerror or error};"
            f" {way_out(error, '--cache-dir')}."
        ) from error
    return folder / "model.xml"


def _pair(archive: Path, opened: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The members to unpack, by the name they get."""
    for member in opened.infolist():
        path = PurePosixPath(member.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts:
            raise ModelError(
                f'{archive} holds "{member.filename}", which leads out of the archive; '
                f"it is not unpacked."
            )
    members = [
        member
        for member in opened.infolist()
        if not any(is_junk(part) for part in PurePosixPath(member.filename).parts)
    ]
    found = {
        suffix: [member for member in members if member.filename.lower().endswith(suffix)]
        for suffix in (".xml", ".bin")
    }
    if any(len(pair) != 1 for pair in found.values()):
        raise ModelError(f"{archive} must hold one .xml and one .bin file.")
    if sum(pair[0].file_size for pair in found.values()) > MAX_UNPACKED_BYTES:
        raise ModelError(f"{archive} unpacks to more than {MAX_UNPACKED_BYTES >> 30} GiB.")
    return {f"model{suffix}": pair[0] for suffix, pair in found.items()}


def _is_unpacked(members: dict[str, zipfile.ZipInfo], folder: Path) -> bool:
    """Whether `folder` still holds what the archive does."""
    return all(_checksum(folder / name) == member.CRC for name, member in members.items())


def _checksum(file: Path) -> int | None:
    checksum = 0
    try:
        with file.open("rb") as content:
            while chunk := content.read(CHUNK_BYTES):
                checksum = zlib.crc32(chunk, checksum)
    except FileNotFoundError:
        return None
    return checksum


def _unpack(opened: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo], folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with working_folder(folder.parent) as temporary:
        unpacked = temporary / folder.name
        unpacked.mkdir()
        for name, member in members.items():
            with opened.open(member) as source, (unpacked / name).open("wb") as target:
                shutil.copyfileobj(source, target)
        try:
            unpacked.rename(folder)
        except OSError:
            # Another run may have been faster; its files are the same.
            if not folder.is_dir():
                raise
