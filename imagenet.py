"""ImageNet's 1000 classes in the preprocessings that trained models ask for."""

import hashlib
import json
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
import PIL
from numpy.typing import NDArray

from dataset import Dataset, DatasetConfig, DatasetInfo
from mlperf_benchmark.core.cpus import usable_cpus
from mlperf_benchmark.core.errors import DatasetError
from mlperf_benchmark.core.image_format import Samples
from mlperf_benchmark.images import transforms
from mlperf_benchmark.images.build import BadImage, build
from mlperf_benchmark.images.decoder_messages import decoder_messages_to
from mlperf_benchmark.images.label_list import LabelList, find_label_list
from mlperf_benchmark.images.progress import progress_bar, tell
from mlperf_benchmark.images.store import ImageStore, write_errors
from mlperf_benchmark.images.transforms import Preprocessing

_NAMED_AT_MOST = 5
_NOTHING = "no such file or directory"


class ImageNet(Dataset):
    """Labelled images in one preprocessing, kept in `cache_dir` once preprocessed.

    `workers` None means as many threads as there are usable CPUs. Other images of up to 1000
    classes do as well, with a list of their own.
    """

    preprocessing: ClassVar[Preprocessing]

    def __init_subclass__(cls) -> None:
        cls.image = cls.preprocessing.image

    def __init__(self, config: DatasetConfig, workers: int | None = None) -> None:
        super().__init__(config)
        self._workers = workers or usable_cpus()
        self._list: LabelList | None = None
        self._store: ImageStore | None = None
        self._files: Sequence[Path] = ()

    def prepare(self) -> DatasetInfo:
        folder = self.config.path
        if folder is None:
            raise DatasetError(f"The data set {self.preprocessing.name} needs a folder of images.")
        self._list = self.config.samples or find_label_list(
            folder, self.config.image_list, self.config.count
        )
        if self.config.samples is None and self._list.source == folder:
            tell(f"{len(self._list.names)} images in the class folders of {folder}.")
        files = [folder / name for name in self._list.names]
        if self.config.encoded:
            _fingerprint(self._list, folder)
            self._files = files
        else:
            self._store = self._open_store(self._list, folder)
            if not self._store.is_complete():
                self._fill(self._store, self._list, files)
        return DatasetInfo(
            name=self.preprocessing.name,
            path=str(folder),
            count=len(files),
            list_sha256=self._list.sha256(),
            labels_from=str(self._list.source),
        )

    @property
    def labels(self) -> NDArray[np.int64]:
        if self._list is None:
            raise RuntimeError("prepare() comes first")
        return np.array(self._list.labels, np.int64)

    def load(self, indices: Sequence[int]) -> Samples:
        if self.config.encoded:
            return _read_files([self._files[index] for index in indices])
        if self._store is None:
            raise RuntimeError("prepare() comes first")
        return self._store.read(indices)

    def _open_store(self, label_list: LabelList, images: Path) -> ImageStore:
        count = len(label_list.names)
        about: dict[str, object] = {
            "layout": 1,
            "preprocessing": self.preprocessing.name,
            "preprocessing_version": self.preprocessing.version,
            "count": count,
            "height": self.image.height,
            "width": self.image.width,
            "list_sha256": label_list.sha256(),
            "files_sha256": _fingerprint(label_list, images),
            "opencv": cv2.__version__,
            "pillow": PIL.__version__,
        }
        key = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()
        folder = self.config.cache_dir / "preprocessed" / f"{self.preprocessing.name}-{key[:16]}"
        return ImageStore(folder, count, self.image.height, self.image.width, about)

    def _fill(self, store: ImageStore, label_list: LabelList, files: Sequence[Path]) -> None:
        def on_wait() -> None:
            tell(f"Another run is preprocessing these images into {store.folder}; waiting for it.")

        with store.lock(on_wait):
            if store.is_complete():
                return
            fault = store.fault()
            if fault is not None:
                if store.exists():
                    tell(f"The cache {store.folder} is made anew: {fault}.")
                store.create(label_list.text())
            bad = self._build(store, files)
        if bad:
            raise _unusable(bad, label_list)

    def _build(self, store: ImageStore, files: Sequence[Path]) -> list[BadImage]:
        pending = store.pending()
        tell(f"Preprocessing {len(pending)} of {len(files)} images into {store.folder}.")
        log = store.folder / "decoder.log"
        with write_errors(store.folder):
            with (
                decoder_messages_to(log) as stderr,
                progress_bar(stderr, len(files), len(files) - len(pending)) as advance,
            ):
                bad = build(
                    store,
                    pending,
                    files,
                    self.preprocessing,
                    workers=self._workers,
                    advance=advance,
                )
            if log.stat().st_size:
                tell(f"The image decoders had something to remark on some files: see {log}.")
            else:
                log.unlink()
        return bad


def _fingerprint(label_list: LabelList, folder: Path) -> str:
    """Of the sizes and modification times. Raises DatasetError naming the missing files."""
    digest = hashlib.sha256()
    missing = []
    for sample, name in enumerate(label_list.names):
        status = _status(folder / name)
        if isinstance(status, str):
            missing.append(BadImage(sample, status))
        else:
            digest.update(f"{status.st_size} {status.st_mtime_ns}\n".encode())
    if missing:
        raise _missing(missing, label_list, folder)
    return digest.hexdigest()


def _status(file: Path) -> os.stat_result | str:
    """Of a regular file, or why there is none."""
    try:
        status = file.stat()
    except FileNotFoundError:
        return "a link that leads nowhere" if file.is_symlink() else _NOTHING
    except (OSError, ValueError) as error:
        return (getattr(error, "strerror", None) or str(error)).lower()
    return status if stat.S_ISREG(status.st_mode) else "not a regular file"


def _read_files(files: Sequence[Path]) -> Samples:
    """Their bytes, an object array of shape (files,)."""
    contents = np.empty(len(files), object)
    try:
        contents[:] = [file.read_bytes() for file in files]
    except OSError as error:
        raise DatasetError(f"Cannot read {error.filename}: {error.strerror}.") from error
    return contents


def _missing(bad: Sequence[BadImage], label_list: LabelList, folder: Path) -> DatasetError:
    """Where nothing at all is there, it is another folder or another list."""
    count = len(label_list.names)
    if label_list.source.is_dir() or [image.reason for image in bad] != [_NOTHING] * count:
        return _unusable(bad, label_list)
    names = ", ".join(label_list.names[:_NAMED_AT_MOST])
    more = ", …" if count > _NAMED_AT_MOST else ""
    return DatasetError(
        f"{folder} holds none of the {count} images that {label_list.source} names ({names}{more})."
        " Give the folder that these names start from, or the list that belongs to the folder."
    )


def _unusable(bad: Sequence[BadImage], label_list: LabelList) -> DatasetError:
    named = [f"{label_list.place(image.sample)}: {image.reason}" for image in bad[:_NAMED_AT_MOST]]
    more = f"; and {len(bad) - len(named)} more" if len(bad) > len(named) else ""
    cure = (
        "Replace or remove them"
        if label_list.source.is_dir()
        else "Replace them or give a list without them"
    )
    return DatasetError(
        f"{len(bad)} of {len(label_list.names)} images cannot be used: {'; '.join(named)}{more}. "
        f"{cure}."
    )


class ImageNetVgg(ImageNet):
    """For models in TensorFlow's style: ResNet-50 of MLPerf and alike."""

    preprocessing = transforms.VGG


class ImageNetPytorch(ImageNet):
    """For models of torchvision."""

    preprocessing = transforms.PYTORCH


class ImageNetEfficientNetLite(ImageNet):
    """For EfficientNet-Lite0."""

    preprocessing = transforms.EFFICIENTNET_LITE
