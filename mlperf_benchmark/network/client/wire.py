"""Requests and answers as bytes.

A request is a ModelInferRequest message whose last field is the sample's own bytes. All before
them is the same for all samples of a size, and concatenated parts of a protobuf message are the
message: so it is serialised once, and a request costs one copy of the sample.
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from tritonclient.grpc import service_pb2

from mlperf_benchmark.core.errors import InferenceError
from mlperf_benchmark.core.image_format import Samples, Scores

_LENGTH_DELIMITED = 2
_FP32_BYTES = 4
_RAW_INPUT = bytes(
    [service_pb2.ModelInferRequest.RAW_INPUT_CONTENTS_FIELD_NUMBER << 3 | _LENGTH_DELIMITED]
)
Answer: TypeAlias = Any
"""A ModelInferResponse; messages come without types."""


@dataclass(frozen=True)
class Tensor:
    """`shape` without the batch; KServe's name of the data type."""

    name: str
    datatype: str
    shape: tuple[int, ...]


class RequestWriter:
    """Writes requests for one model that hold one sample each.

    `images` may have one dimension of -1: the bytes of a whole file.
    """

    def __init__(
        self, model: str, version: str | None, images: Tensor, outputs: tuple[str, ...]
    ) -> None:
        self._images = images
        request = service_pb2.ModelInferRequest(model_name=model, model_version=version or "")
        for output in outputs:
            request.outputs.add(name=output)
        self._start: bytes = request.SerializeToString()
        self._input = None if -1 in images.shape else self._describe(images.shape)

    def request(self, sample: bytes | memoryview) -> bytes:
        """The message for the bytes of one sample."""
        size = len(sample)
        described = self._input or self._describe((size,))
        return b"".join((self._start, described, _RAW_INPUT, _varint(size), sample))

    def _describe(self, shape: tuple[int, ...]) -> bytes:
        request = service_pb2.ModelInferRequest()
        images = self._images
        request.inputs.add(name=images.name, datatype=images.datatype, shape=[1, *shape])
        described: bytes = request.SerializeToString()
        return described


def sample_bytes(sample: Samples) -> bytes | memoryview:
    """The bytes of a batch of one: pixels as they lie in memory, or an encoded file."""
    if sample.dtype == object:
        content: bytes = sample[0]
        return content
    return sample.reshape(-1).view(np.uint8).data


def read_values(answer: Answer, output: str) -> Scores:
    """The FP32 values of an output, shape (values,).

    Raises InferenceError for another answer; its text follows the node's name.
    """
    tensor, raw = _find(answer, output)
    if tensor.datatype != "FP32" or len(raw) % _FP32_BYTES:
        raise InferenceError(
            f'answered "{output}" as {len(raw)} bytes of {tensor.datatype}: FP32 is needed'
        )
    if raw:
        return np.frombuffer(raw, np.float32)
    # Some engines answer in typed fields.
    return np.array(tensor.contents.fp32_contents, np.float32)


def read_text(answer: Answer, output: str) -> str:
    """A UINT8 output of UTF-8 text.

    Raises InferenceError for an answer without it; its text follows the node's name.
    """
    try:
        return _find(answer, output)[1].decode()
    except UnicodeDecodeError as error:
        raise InferenceError(f'answered "{output}" with text that is not UTF-8') from error


def _find(answer: Answer, output: str) -> tuple[Any, bytes]:
    """An output with its raw bytes; there are none where it comes in typed fields."""
    raw = answer.raw_output_contents
    for place, tensor in enumerate(answer.outputs):
        if tensor.name == output:
            return tensor, raw[place] if place < len(raw) else b""
    raise InferenceError(f'answered without the output "{output}"')


def _varint(number: int) -> bytes:
    """A length as protobuf writes it: 7 bits a byte, the lowest first."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
