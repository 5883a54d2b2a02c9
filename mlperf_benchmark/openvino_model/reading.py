"""Reads a model file with OpenVINO, and says what is wrong with it where that fails."""

from pathlib import Path

import openvino as ov
from openvino.frontend import FrontEndManager

from mlperf_benchmark.core.errors import ModelError
from mlperf_benchmark.core.placeholders import placeholder_in
from mlperf_benchmark.models.files.ir_pair import fault_of_weights, is_ir, is_whole, weights_of
from mlperf_benchmark.openvino_model.files import readable

UNPARSED = "can't be parsed"


def read_model(model: Path, cache_dir: Path) -> ov.Model:
    """The graph in `model`: .xml, .onnx, or .zip with an xml/bin pair.

    Raises ModelError, or CacheError for an archive.
    """
    with readable(model, cache_dir) as file:
        try:
            fault = _fault(file, model)
            if fault is not None:
                raise ModelError(f"{fault}.")
            core = ov.Core()
            # What is read stays in memory, or mapped, when the file is gone.
            return core.read_model(file, weights_of(file)) if is_ir(file) else core.read_model(file)
        except OSError as error:
            raise ModelError(f"Cannot read {error.filename}: {error.strerror}.") from error
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1]
            if UNPARSED in reason or (is_ir(file) and not is_whole(file.read_bytes())):
                raise ModelError(f"{model} is cut short or damaged; get the file again.") from error
            raise ModelError(f"OpenVINO cannot read {model}: {reason}") from error


def _fault(file: Path, model: Path) -> str | None:
    """What can be told before OpenVINO reads `file`, which `model` is or holds."""
    what = placeholder_in(file)
    if what is not None:
        return f"{model} {what}"
    if is_ir(file):
        fault = fault_of_weights(file)
        weights = weights_of(file) if file == model else f"the .bin in {model}"
        return fault and f"The weights of {model} cannot be used: {weights} {fault}"
    # OpenVINO would try its readers of other formats, which write to the terminal.
    if not FrontEndManager().load_by_framework("onnx").supported(str(file)):
        return f"{model} is not an ONNX model, or is cut short"
    return None
