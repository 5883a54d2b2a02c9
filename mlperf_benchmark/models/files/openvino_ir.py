"""Model files in OpenVINO's intermediate representation (IR)."""

from __future__ import annotations

import errno
import io
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import openvino as ov

from mlperf_benchmark.models.files.formats import ModelFormat

if TYPE_CHECKING:
    # serve.py also writes files where it is not installed.
    import onnx

EPOCH = (1980, 1, 1, 0, 0, 0)


class OpenVINOIr(ModelFormat):
    """`<stem>.xml` and `<stem>.bin`; weights that are not quantized stay float32."""

    def convert(self, model: onnx.ModelProto) -> ov.Model:
        return ov.convert_model(io.BytesIO(model.SerializeToString()))

    def save(self, graph: ov.Model, folder: Path, stem: str, note: str) -> Path:
        graph.set_rt_info(note, "weights")
        file = folder / f"{stem}.xml"
        try:
            ov.save_model(graph, file, compress_to_fp16=False)
        except RuntimeError as error:
            # OpenVINO's own message is only "iostream error".
            raise OSError(errno.EIO, "OpenVINO cannot write the file") from error
        return file


class ZippedOpenVINOIr(OpenVINOIr):
    """`<stem>.zip` with `<stem>.xml` and `<stem>.bin` inside."""

    def save(self, graph: ov.Model, folder: Path, stem: str, note: str) -> Path:
        xml = super().save(graph, folder, stem, note)
        archive = folder / f"{stem}.zip"
        with zipfile.ZipFile(archive, "w") as file:
            for part in (xml, xml.with_suffix(".bin")):
                # Weights do not compress; the fixed date makes files of the same model identical.
                file.writestr(zipfile.ZipInfo(part.name, EPOCH), part.read_bytes())
                part.unlink()
        return archive
