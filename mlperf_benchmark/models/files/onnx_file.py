"""Model files in ONNX."""

from pathlib import Path

import onnx

from mlperf_benchmark.models.files.formats import ModelFormat


class OnnxFile(ModelFormat):
    """`<stem>.onnx` with the weights inside."""

    def save(self, graph: onnx.ModelProto, folder: Path, stem: str, note: str) -> Path:
        onnx.helper.set_model_props(graph, {"weights": note})
        file = folder / f"{stem}.onnx"
        file.write_bytes(graph.SerializeToString(deterministic=True))
        return file
