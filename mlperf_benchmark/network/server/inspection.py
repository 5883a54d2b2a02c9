"""Finds out what a model file is, without running what is in it."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from backend import BackendConfig
from dataset import DATASETS, image_format
from mlperf_benchmark.core.errors import ModelError, UsageError
from mlperf_benchmark.core.files import Hashes, file_sha256
from mlperf_benchmark.core.image_format import ImageFormat
from mlperf_benchmark.core.network_config import JPEG
from mlperf_benchmark.core.preprocessing import CUSTOM, ModelCard
from mlperf_benchmark.core.registry import known_name
from mlperf_benchmark.core.working_folder import scratch_folder
from mlperf_benchmark.images.progress import tell
from mlperf_benchmark.images.transforms import PREPROCESSINGS
from mlperf_benchmark.loadgen.labels import label_offset
from mlperf_benchmark.models.files.description import ModelDescription, read_description
from mlperf_benchmark.models.files.formats import BACKEND_FORMATS
from mlperf_benchmark.models.files.model_files import model_files
from mlperf_benchmark.network.served_model import ServedModel
from mlperf_benchmark.network.server.request import ServingRequest
from mlperf_benchmark.openvino_model.files import model_file
from mlperf_benchmark.openvino_model.graph import FittedModel, fit
from mlperf_benchmark.openvino_model.reading import read_model
from mlperf_benchmark.own_model.settling import OwnModel, own_model
from mlperf_benchmark.run.record import describe_model
from mlperf_benchmark.run.result import Model


@dataclass(frozen=True)
class Inspected:
    """`files` are those that make up the model, the one to load first; the others are beside it or
    in folders there. `own` is None for a model whose preprocessing has a name.
    """

    backend: str
    dataset: str
    image: ImageFormat
    classes: int
    identity: Model
    description: ModelDescription | None
    files: tuple[Path, ...]
    config: BackendConfig
    own: OwnModel | None

    @property
    def names(self) -> dict[str, Path]:
        """The files by their names relative to the folder of the first."""
        folder = self.files[0].parent
        return {str(file.relative_to(folder)): file for file in self.files}


@contextmanager
def inspected(request: ServingRequest) -> Iterator[Inspected]:
    """Read the model of `request`; what an archive holds stays unpacked meanwhile.

    Raises ModelError or UsageError for what cannot be served.
    """
    model = request.model
    if not model.is_file():
        raise ModelError(f"There is no model file {model}.")
    backend = _backend_of(request)
    hashes = Hashes()
    description = read_description(model, hashes)
    dataset = _dataset(request, description)
    own = _own(request, dataset, hashes)
    preprocessing = own.preprocessing if own else None
    card = own.card if own else ModelCard()
    image = image_format(dataset, preprocessing)
    with scratch_folder("serve") as folder:
        config = BackendConfig(
            model=model,
            image=image,
            goal="throughput",
            max_batch_size=request.max_batchsize,
            variable_batch=True,
            threads=request.threads,
            precision=_precision(request, backend),
            inputs=request.inputs or card.inputs or (),
            outputs=request.outputs or card.outputs or (),
            data_format=request.data_format or card.layout,
            any_classes=preprocessing is not None,
            cache_dir=folder,
        )
        classes, files = INSPECTORS[backend](config)
        yield Inspected(
            backend=backend,
            dataset=dataset,
            image=config.image,
            classes=classes,
            identity=describe_model(model, description, hashes),
            description=description,
            files=files,
            config=config,
            own=own,
        )


def describe_served(request: ServingRequest, model: Inspected, name: str) -> ServedModel:
    """What the node, and a client that asks it, is told."""
    identity = dataclasses.replace(model.identity, path=request.model.name)
    offset = request.labels_offset
    if offset is None and model.own is not None:
        offset = model.own.card.labels_offset
    return ServedModel(
        name=name,
        payload=request.payload,
        model=dataclasses.asdict(identity),
        dataset=model.dataset,
        image=model.image,
        classes=model.classes,
        label_offset=label_offset(model.classes, offset),
        backend=model.backend,
        precision=model.config.precision,
        max_batch_size=request.max_batchsize,
        instances=request.instances,
        threads=request.threads,
        files={name: file_sha256(file) for name, file in model.names.items()},
        inputs=model.config.inputs,
        outputs=model.config.outputs,
        data_format=model.config.data_format,
        preprocessing=model.own.preprocessing if model.own else None,
    )


def fitted(config: BackendConfig) -> FittedModel:
    """OpenVINO's model of `config`, fitted to the images. Raises ModelError."""
    assert config.model is not None
    return fit(read_model(config.model, config.cache_dir), config)


def _openvino(config: BackendConfig) -> tuple[int, tuple[Path, ...]]:
    assert config.model is not None
    files = model_files(model_file(config.model, config.cache_dir))
    return fitted(config).classes, files


def _compiled(config: BackendConfig) -> tuple[int, tuple[Path, ...]]:
    # TVM takes a second to import.
    from mlperf_benchmark.tvm_compiler.artifact import check_size  # noqa: PLC0415
    from mlperf_benchmark.tvm_compiler.artifact import read_description as read_compiled  # noqa: PLC0415

    assert config.model is not None
    compiled = read_compiled(config.model)
    check_size(config.model, compiled, config.image)
    return compiled.classes, (config.model,)


def _onnx(config: BackendConfig) -> tuple[int, tuple[Path, ...]]:
    # Another backend's node need not have this one's package.
    from backend_onnxruntime import OnnxRuntimeBackend  # noqa: PLC0415

    assert config.model is not None
    backend = OnnxRuntimeBackend(config)
    classes = backend.load().classes
    backend.close()
    return classes, model_files(config.model)


INSPECTORS: Mapping[str, Callable[[BackendConfig], tuple[int, tuple[Path, ...]]]] = (
    MappingProxyType({"openvino": _openvino, "onnxruntime": _onnx, "tvm": _compiled})
)
"""What finds the number of classes and the files of a model, by backend; the first is preferred."""


def _precision(request: ServingRequest, backend: str) -> str:
    if backend == "openvino":
        return request.precision or "f32"
    if request.precision is not None:
        raise UsageError(f"--precision does not apply to the {backend} backend.")
    return "default"


def _backend_of(request: ServingRequest) -> str:
    suffix = request.model.suffix.lower().removeprefix(".")
    readers = [name for name in INSPECTORS if suffix in BACKEND_FORMATS[name]]
    if not readers:
        known = {f".{name}" for backend in INSPECTORS for name in BACKEND_FORMATS[backend]}
        raise ModelError(f"{request.model} is not one of {', '.join(sorted(known))}.")
    wanted = request.backend or readers[0]
    if known_name("backend", wanted, INSPECTORS) not in readers:
        raise UsageError(
            f"The backend {wanted} does not read .{suffix} files; --backend may be "
            f"{', '.join(readers)}."
        )
    return wanted


def _own(request: ServingRequest, dataset: str, hashes: Hashes) -> OwnModel | None:
    """What is known of the user's own model; says on stderr what had to be assumed."""
    if dataset != CUSTOM:
        for name in ("model_card", "card"):
            if getattr(request, name) is not None:
                raise UsageError(
                    f"The data set {dataset} has its own preprocessing: use --dataset "
                    f"{CUSTOM} with a model card or options like --resize."
                )
        return None
    own = own_model(
        request.model,
        request.card or ModelCard(),
        request.model_card,
        inputs=request.inputs,
        layout=request.data_format,
        hashes=hashes,
    )
    for remark in own.remarks:
        tell(f"Note: {remark.text}")
    return own


def _dataset(request: ServingRequest, description: ModelDescription | None) -> str:
    is_own = request.card is not None or request.model_card is not None
    described = description.dataset if description and not is_own else None
    name = request.dataset or described or CUSTOM
    DATASETS.load(name)
    if request.payload == JPEG and name not in (CUSTOM, *PREPROCESSINGS):
        raise UsageError(f"--payload jpeg does not apply to the data set {name}: it has no files.")
    return name
