"""Finds the models that the command line names, and their backends."""

import argparse
import dataclasses
from dataclasses import dataclass
from pathlib import Path

from backend import BACKENDS, Backend, BackendConfig, BackendInfo
from dataset import DATASETS
from mlperf_benchmark.core.cpus import threads_of_quota
from mlperf_benchmark.core.errors import UsageError
from mlperf_benchmark.core.image_format import ImageFormat, Images
from mlperf_benchmark.core.preprocessing import CUSTOM, ModelCard
from mlperf_benchmark.core.registry import known_name
from mlperf_benchmark.images.progress import tell
from mlperf_benchmark.models.files.description import ModelDescription, read_description
from mlperf_benchmark.models.files.formats import BACKEND_FORMATS
from mlperf_benchmark.models.files.model_files import model_files
from mlperf_benchmark.own_model.options import given_card, refuse_card
from mlperf_benchmark.own_model.settling import OwnModel, own_model
from profiles import READERS, profile

SYNTHETIC = "synthetic"


@dataclass(frozen=True)
class Subject:
    """One model on one backend. `images` says what images it takes and how to preprocess them."""

    name: str
    file: Path
    backend: str
    images: OwnModel
    description: ModelDescription | None


@dataclass(frozen=True)
class Loaded:
    """A loaded subject with a full batch of random input."""

    subject: Subject
    backend: Backend
    info: BackendInfo
    images: Images


def find_subjects(options: argparse.Namespace) -> list[Subject]:
    """Return the subjects that `options.models` names.

    Raises UsageError for a file or backend that does not exist.
    """
    files = [_file_and_backend(text, options.profile) for text in options.models]
    stems = [file.stem for file, _ in files]
    found: list[Subject] = []
    for file, backend in files:
        if files.count((file, backend)) > 1:
            raise UsageError(f"{file} is named twice for the {backend} backend.")
        model_files(file)
        description = read_description(file)
        name = file.stem if stems.count(file.stem) == 1 else f"{file.stem} ({backend})"
        taken = [one.name for one in found]
        name = name if name not in taken else f"{file} ({backend})"
        found.append(Subject(name, file, backend, _images(options, file), description))
    if options.precision and not any(map(takes_precision, {one.backend for one in found})):
        names = " or ".join(dict.fromkeys(one.backend for one in found))
        raise UsageError(f"--precision does not apply to the {names} backend.")
    return found


def takes_precision(backend: str) -> bool:
    """Whether the backend can be asked to compute in a certain precision."""
    return "precision" in BACKENDS.load(backend).accepts


def _file_and_backend(text: str, profile_name: str | None) -> tuple[Path, str]:
    file, _, named = text.rpartition("@")
    if file and not Path(text).exists():
        path = Path(file)
        backend = known_name("backend", named, BACKENDS.names())
    else:
        path, backend = Path(text), _backend_for(Path(text), profile_name)
    if not BACKENDS.load(backend).profiles:
        raise UsageError(
            f"The {backend} backend does not report layer times: name another that reads the file, "
            f"{path}@BACKEND."
        )
    return path, backend


def _backend_for(file: Path, profile_name: str | None) -> str:
    """Return the profile's backend if it reads `file`, otherwise the one that main.py takes."""
    suffix = file.suffix.lower()
    preferred = profile(profile_name).backend if profile_name else None
    formats = BACKEND_FORMATS.get(preferred, ()) if preferred else ()
    if preferred is not None and suffix.removeprefix(".").replace("pth", "pt") in formats:
        return preferred
    if suffix not in READERS:
        raise UsageError(f"Which backend reads {file}? Name it: {file}@BACKEND.")
    return READERS[suffix]


def _images(options: argparse.Namespace, file: Path) -> OwnModel:
    """Return the preprocessing of the model's images.

    It is that of the named data set, or what options, a card or the description of `file` say, or
    else assumed.
    """
    named = options.dataset or (profile(options.profile).dataset if options.profile else CUSTOM)
    known_name("data set", named, DATASETS.names())
    given = given_card(vars(options)) or ModelCard()
    if named not in (CUSTOM, SYNTHETIC):
        refuse_card(options, named)
        return OwnModel(named, None, given)
    found = own_model(
        file,
        given,
        options.model_card,
        inputs=options.inputs or (),
        layout=options.data_format,
    )
    needs_images = options.dataset_path is not None
    if named == SYNTHETIC or not (found.is_told or needs_images):
        return dataclasses.replace(found, dataset=SYNTHETIC)
    if needs_images:
        for remark in found.remarks:
            tell(f"Note: {remark.text}")
    return found


def backend_config(options: argparse.Namespace, own: OwnModel, image: ImageFormat) -> BackendConfig:
    """Return what any backend is told: single images, read as options or the model's card say."""
    return BackendConfig(
        model=None,
        image=image,
        max_batch_size=1,
        inputs=options.inputs or own.card.inputs or (),
        outputs=options.outputs or own.card.outputs or (),
        data_format=options.data_format or own.card.layout,
        any_classes=options.dataset is None and options.profile in (None, CUSTOM),
        cache_dir=options.cache_dir,
    )


def load(subject: Subject, options: argparse.Namespace) -> Loaded:
    """Load the model for single images, or for the batch size that its file fixes."""
    image = subject.images.image
    kind = BACKENDS.load(subject.backend)
    # Profiles do the same: an FP32 model is measured in FP32.
    precision = (options.precision or "f32") if takes_precision(subject.backend) else "default"
    backend: Backend = kind(
        dataclasses.replace(
            backend_config(options, subject.images, image),
            model=subject.file,
            threads=options.threads or threads_of_quota(),
            precision=precision,
            takes_turns=True,
        )
    )
    info = backend.load()
    return Loaded(subject, backend, info, image.noise(info.max_batch_size))
