"""Finds the file that OpenVINO shall read; archives are unpacked into the cache."""

import shutil
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from mlperf_benchmark.core.errors import CacheError, ModelError
from mlperf_benchmark.core.files import file_sha256
from mlperf_benchmark.core.working_folder import working_folder

SUFFIXES = (".xml", ".onnx", ".zip")
MAX_UNPACKED_BYTES = 4 << 30


def model_file(model: Path, cache_dir: Path) -> Path:
    """Path of the .xml or .onnx to read; ModelError when there is none.

    A .zip must hold one .xml and the .bin of the same name.
    """
    if not model.is_file():
        raise ModelError(f"No model file {model}; --model takes {', '.join(SUFFIXES)}.")
    suffix = model.suffix.lower()
    if suffix not in SUFFIXES:
        raise ModelError(f"{model} is none of {', '.join(SUFFIXES)}.")
    if suffix == ".zip":
        return _unpacked(model, cache_dir)
    if suffix == ".xml" and not model.with_suffix(".bin").is_file():
        raise ModelError(
            f"{model} lacks its weights: no {model.with_suffix('.bin').name} beside it."
        )
    return model


def _unpacked(archive: Path, cache_dir: Path) -> Path:
    try:
        with zipfile.ZipFile(archive) as opened:
            members = _pair(archive, opened)
            folder = cache_dir / "models" / file_sha256(archive)[:16]
            if not folder.is_dir():
                _unpack(opened, members, folder)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise ModelError(f"{archive} is damaged or no zip archive: {error}.") from error
    except (RuntimeError, NotImplementedError) as error:
        raise ModelError(f"{archive} is encrypted or packed in a way unknown here.") from error
    except OSError as error:
        raise CacheError(f"Cannot unpack {archive} into {cache_dir}: {error.strerror}.") from error
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
    found = {
        suffix: [member for member in opened.infolist() if member.filename.endswith(suffix)]
        for suffix in (".xml", ".bin")
    }
    if any(len(members) != 1 for members in found.values()):
        raise ModelError(f"{archive} must hold one .xml and one .bin file.")
    if sum(members[0].file_size for members in found.values()) > MAX_UNPACKED_BYTES:
        raise ModelError(f"{archive} unpacks to more than {MAX_UNPACKED_BYTES >> 30} GiB.")
    return {f"model{suffix}": members[0] for suffix, members in found.items()}


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
