"""What finetune.py trains: a pruned module, or one that computes as INT8 will."""

import copy
import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from mlperf_benchmark.core.errors import UsageError
from mlperf_benchmark.models.architectures.architecture import Architecture
from mlperf_benchmark.models.architectures.checkpoint import (
    Checkpoint,
    is_checkpoint,
    parse_checkpoint,
    resize,
)
from mlperf_benchmark.models.architectures.finite import refuse_non_finite
from mlperf_benchmark.models.architectures.onnx_export import export_onnx
from mlperf_benchmark.models.architectures.torch_file import read_torch_file
from mlperf_benchmark.models.architectures.weights import LoadedModel
from mlperf_benchmark.models.files.description import Pruning, Quantization
from mlperf_benchmark.models.optimize.config import PruningConfig, QuantizationConfig
from mlperf_benchmark.models.optimize.qat.student import Student
from mlperf_benchmark.models.optimize.quantizers.quantizer import Source, make_quantizer
from mlperf_benchmark.models.prepare.calibration import CalibrationImages
from mlperf_benchmark.models.prepare.finetune_options import FineTuningRun
from mlperf_benchmark.models.prepare.variant import prune_model, quantize_model

OTHER_WEIGHTS = (
    "--weights are not those that this training began with, though they have the same name. Start"
    " anew with --overwrite."
)


class Pupil(ABC):
    """A `module` to be trained. `before` names the state of the original, `state` that of the
    module.
    """

    before: ClassVar[str]
    state: ClassVar[str]
    module: nn.Module

    def checkpoint(
        self, architecture: Architecture, teacher: LoadedModel, training: Mapping[str, Any]
    ) -> Checkpoint:
        """Return what prepare.py makes the trained model from."""
        return self.trained(
            Checkpoint(
                architecture=architecture.name,
                weights=teacher.weights,
                pruning=teacher.pruning,
                training=training,
                state=_on_cpu(teacher.module),
            )
        )

    @abstractmethod
    def trained(self, teacher: Checkpoint) -> Checkpoint:
        """Return `teacher` with what training has changed."""

    def kept(self) -> dict[str, Any]:
        """Return what a resumed training needs in addition to the checkpoint."""
        return {}


class PrunedPupil(Pupil):
    """A module with some channels removed."""

    before, state = "Unpruned", "Pruned"

    def __init__(self, module: nn.Module, pruning: Pruning | None) -> None:
        self.module = module
        self._pruning = pruning

    @classmethod
    def begin(
        cls,
        teacher: LoadedModel,
        architecture: Architecture,
        config: PruningConfig,
        seed: int,
        calibration: CalibrationImages,
    ) -> "PrunedPupil":
        """Prune a copy of the teacher."""
        student = LoadedModel(copy.deepcopy(teacher.module), teacher.weights, teacher.pruning)
        pruning = prune_model(student, architecture, config, seed, calibration)
        return cls(student.module, pruning)

    @classmethod
    def resume(
        cls, checkpoint: Checkpoint, architecture: Architecture, run: FineTuningRun
    ) -> "PrunedPupil":
        module = architecture.build()
        resize(module, checkpoint.state)
        module.load_state_dict(checkpoint.state)
        refuse_non_finite(module, run.output)
        return cls(module, checkpoint.pruning)

    def trained(self, teacher: Checkpoint) -> Checkpoint:
        return dataclasses.replace(teacher, pruning=self._pruning, state=_on_cpu(self.module))


class QuantizedPupil(Pupil):
    """The teacher with quantizers; `begun` is the quantized graph that training starts from."""

    before, state = "FP32", "Quantized"

    def __init__(
        self,
        teacher: LoadedModel,
        architecture: Architecture,
        begun: onnx.ModelProto,
        quantization: Quantization,
    ) -> None:
        size = architecture.input_size
        self._begun = begun
        self._quantization = quantization
        graph = onnx.ModelProto()
        graph.CopyFrom(begun)
        self._student = Student(teacher.module, size, export_onnx(teacher.module, size), graph)
        self.module = self._student.module

    @classmethod
    def begin(
        cls,
        teacher: LoadedModel,
        architecture: Architecture,
        config: QuantizationConfig,
        calibration: CalibrationImages,
    ) -> "QuantizedPupil":
        """Quantize a copy of the teacher."""
        quantizer = make_quantizer(config, config.preset or architecture.quantization_preset)
        source = Source(
            copy.deepcopy(teacher.module),
            lambda module: export_onnx(module, architecture.input_size),
            lambda model: model,
        )
        begun, quantization = quantize_model(source, quantizer, calibration)
        return cls(teacher, architecture, begun, quantization)

    @classmethod
    def resume(
        cls,
        teacher: LoadedModel,
        architecture: Architecture,
        checkpoint: Checkpoint,
        kept: Mapping[str, Any],
    ) -> "QuantizedPupil":
        assert checkpoint.quantization is not None
        state = teacher.module.state_dict()
        if not all(torch.equal(tensor, state[name]) for name, tensor in checkpoint.state.items()):
            raise UsageError(OTHER_WEIGHTS)
        begun = onnx.load_from_string(kept["begun"].numpy().tobytes())
        pupil = cls(teacher, architecture, begun, checkpoint.quantization)
        pupil.module.load_state_dict(kept["student"])
        return pupil

    def trained(self, teacher: Checkpoint) -> Checkpoint:
        method = f"quantization-aware training, begun with {self._quantization.method}"
        return dataclasses.replace(
            teacher,
            quantization=dataclasses.replace(self._quantization, method=method),
            graph=_bytes(self._student.graph()),
        )

    def kept(self) -> dict[str, Any]:
        return {"student": _on_cpu(self.module), "begun": _bytes(self._begun)}


def read_unfinished(run: FineTuningRun, fingerprint: Mapping[str, Any]) -> dict[str, Any]:
    """Read the checkpoint to resume from. Raises UsageError if it belongs to another run."""
    content = read_torch_file(run.output)
    if not is_checkpoint(content):
        raise UsageError(f"{run.output} is not a checkpoint of finetune.py.")
    # Checkpoints of older versions lack these fields.
    before = {"reconstruct": False, "budget": "macs"} | content["resume"]["run"]
    differences = [
        f"{name} was {before.get(name)}, now {value}"
        for name, value in fingerprint.items()
        if before.get(name) != value
    ]
    if differences:
        raise UsageError(
            f"{run.output} is of another training ({'; '.join(differences)}). Repeat its options,"
            " or start anew with --overwrite."
        )
    return dict(content)


def resumed(
    content: Mapping[str, Any],
    run: FineTuningRun,
    architecture: Architecture,
    teacher: LoadedModel,
    *,
    images: int,
) -> Pupil:
    """Return the pupil as it was after the last complete epoch.

    Raises UsageError if the weights or the number of `images` to train on have changed since.
    """
    checkpoint = parse_checkpoint(content)
    if checkpoint.weights != teacher.weights:
        raise UsageError(OTHER_WEIGHTS)
    if checkpoint.training["images"] != images:
        raise UsageError(
            f"{run.train_path} held {checkpoint.training['images']} images when training began,"
            f" and holds {images} now. Start anew with --overwrite."
        )
    if run.quantization is not None:
        return QuantizedPupil.resume(teacher, architecture, checkpoint, content["resume"])
    return PrunedPupil.resume(checkpoint, architecture, run)


def _on_cpu(module: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.cpu() for name, tensor in module.state_dict().items()}


def _bytes(model: onnx.ModelProto) -> Tensor:
    return torch.from_numpy(np.frombuffer(model.SerializeToString(), np.uint8).copy())
