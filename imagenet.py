"""ImageNet's 1000 classes in the preprocessings that trained models ask for."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import PIL
from numpy.typing import NDArray

from dataset import Dataset, DatasetConfig, DatasetInfo
from mlperf_benchmark.core.cpus import usable_cpus
from mlperf_benchmark.core.errors import CacheError, DatasetError
from mlperf_benchmark.core.image_format import Samples
from mlperf_benchmark.core.label_list import LabelList
from mlperf_benchmark.core.preprocessing import CustomPreprocessing
from mlperf_benchmark.images import transforms
from mlperf_benchmark.images.build import BadImage, build
from mlperf_benchmark.images.decoder_messages import decoder_messages_to
from mlperf_benchmark.images.label_list import find_label_list
from mlperf_benchmark.images.progress import progress_bar, tell
from mlperf_benchmark.images.source_files import files_state, read_files, unusable
from mlperf_benchmark.images.store import ImageStore, write_errors
from mlperf_benchmark.images.transforms import Preprocessing


class ImageNet(Dataset):
    """Labelled images in one preprocessing, kept in `cache_dir` once preprocessed.

    Other images of up to 1000 classes do as well, with a list of their own.
    """

    preprocessing: Preprocessing

    def __init_subclass__(cls) -> None:
        cls.image = cls.preprocessing.image

    def __init__(self, config: DatasetConfig) -> None:
        super().__init__(config)
        self._list: LabelList | None = None
        self._store: ImageStore | None = None
        self._files: Sequence[Path] = ()
        self._temporary = ExitStack()

    def prepare(self) -> DatasetInfo:
        self._list, files = self._find()
        if self.config.samples is None and self._list.source == self.config.path:
            tell(f"{len(files)} images in the class folders of {self.config.path}.")
        about = self._about(self._list)
        if self.config.encoded:
            self._files = files
        else:
            self._store = self._filled(about, self._list, files)
        return DatasetInfo(
            name=self.preprocessing.name,
            path=str(self.config.path),
            count=len(files),
            list_sha256=self._list.sha256(),
            labels_from=str(self._list.source),
            fingerprint=_fingerprint(about),
            preprocessing=self.preprocessing.custom,
        )

    def fingerprint(self) -> str:
        found, _ = self._find()
        return _fingerprint(self._about(found))

    def close(self) -> None:
        self._temporary.close()

    @property
    def labels(self) -> NDArray[np.int64]:
        if self._list is None:
            raise RuntimeError("prepare() comes first")
        return np.array(self._list.labels, np.int64)

    @property
    def names(self) -> Sequence[str]:
        if self._list is None:
            raise RuntimeError("prepare() comes first")
        return self._list.names

    def load(self, indices: Sequence[int]) -> Samples:
        if self.config.encoded:
            return read_files([self._files[index] for index in indices])
        if self._store is None:
            raise RuntimeError("prepare() comes first")
        return self._store.read(indices)

    def _find(self) -> tuple[LabelList, list[Path]]:
        folder = self.config.path
        if folder is None:
            raise DatasetError(f"The data set {self.preprocessing.name} needs a folder of images.")
        found = self.config.samples or find_label_list(
            folder, self.config.image_list, self.config.count
        )
        return found, [folder / name for name in found.names]

    def _about(self, label_list: LabelList) -> dict[str, object]:
        """All that decides about the pixels. Raises DatasetError naming the missing files."""
        assert self.config.path is not None
        custom = self.preprocessing.custom
        return {
            "layout": 1,
            "preprocessing": self.preprocessing.name,
            "preprocessing_version": self.preprocessing.version,
            "count": len(label_list.names),
            "height": self.image.height,
            "width": self.image.width,
            "list_sha256": label_list.sha256(),
            "files_sha256": files_state(label_list, self.config.path),
            "opencv": cv2.__version__,
            "pillow": PIL.__version__,
        } | ({} if custom is None else {"steps": custom.steps})

    def _filled(
        self, about: Mapping[str, object], label_list: LabelList, files: Sequence[Path]
    ) -> ImageStore:
        """The images in the cache; in a temporary folder where the cache cannot be written."""
        store = self._open(self.config.cache_dir, about, len(files))
        try:
            return self._fill(store, label_list, files)
        except CacheError as error:
            if not error.is_denied:
                raise
        tell(
            f"Warning: the cache {self.config.cache_dir} cannot be written, so the images are "
            "preprocessed for this run alone. Choose another folder with --cache-dir to keep them."
        )
        folder = self._temporary.enter_context(TemporaryDirectory(prefix="images-"))
        return self._fill(self._open(Path(folder), about, len(files)), label_list, files)

    def _open(self, cache_dir: Path, about: Mapping[str, object], count: int) -> ImageStore:
        name = f"{self.preprocessing.name}-{_fingerprint(about)[:16]}"
        folder = cache_dir / "preprocessed" / name
        return ImageStore(folder, count, self.image.height, self.image.width, about)

    def _fill(self, store: ImageStore, label_list: LabelList, files: Sequence[Path]) -> ImageStore:
        if store.is_complete():
            return store

        def on_wait() -> None:
            tell(f"Another run is preprocessing these images into {store.folder}; waiting for it.")

        with store.lock(on_wait):
            if store.is_complete():
                return store
            fault = store.fault()
            if fault is not None:
                if store.exists():
                    tell(f"The cache {store.folder} is made anew: {fault}.")
                store.create(label_list.text())
            bad = self._build(store, files)
        if bad:
            raise unusable(bad, label_list)
        return store

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
                    workers=usable_cpus(),
                    advance=advance,
                )
            if log.stat().st_size:
                tell(f"The image decoders warned about some files: see {log}.")
            else:
                log.unlink()
        return bad


def _fingerprint(about: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()


class ImageNetVgg(ImageNet):
    """For models in TensorFlow's style: ResNet-50 of MLPerf and alike."""

    preprocessing = transforms.VGG


class ImageNetPytorch(ImageNet):
    """For models of torchvision."""

    preprocessing = transforms.PYTORCH


class ImageNetDeiT(ImageNet):
    """For DeiT: as for torchvision's models, but for a bicubic resize."""

    preprocessing = transforms.DEIT


class ImageNetEfficientNetLite(ImageNet):
    """For EfficientNet-Lite0, 224 x 224."""

    preprocessing = transforms.EFFICIENTNET_LITE


class ImageNetEfficientNetLite1(ImageNet):
    """For EfficientNet-Lite1, 240 x 240."""

    preprocessing = transforms.EFFICIENTNET_LITE1


class ImageNetEfficientNetLite2(ImageNet):
    """For EfficientNet-Lite2, 260 x 260."""

    preprocessing = transforms.EFFICIENTNET_LITE2


class ImageNetCustom(ImageNet):
    """For models of the user's own, who says how; where nothing is said, it is assumed."""

    preprocessing = transforms.custom(CustomPreprocessing())

    def __init__(self, config: DatasetConfig) -> None:
        super().__init__(config)
        if config.preprocessing is not None:
            self.preprocessing = transforms.custom(config.preprocessing)
            self.image = self.preprocessing.image
