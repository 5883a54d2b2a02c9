"""One served node: what it says about itself, and inference on it."""

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import grpc
from tritonclient.grpc import service_pb2, service_pb2_grpc

from mlperf_benchmark.core.errors import InferenceError, ModelError
from mlperf_benchmark.core.image_format import ImageFormat
from mlperf_benchmark.core.network_config import NetworkConfig
from mlperf_benchmark.core.node_info import NodeInfo
from mlperf_benchmark.network.client.connection import open_channel
from mlperf_benchmark.network.client.diagnosis import connection_fault, is_http, reason
from mlperf_benchmark.network.client.interface import Interface, black, interface
from mlperf_benchmark.network.client.wire import RequestWriter, Tensor, read_text, sample_bytes
from mlperf_benchmark.network.served_model import NODE, PARAMETER, ServedModel

INFER = "/inference.GRPCInferenceService/ModelInfer"
TRITON_EXTENSION = "model_configuration"
"""Triton reports the name that it was given, but its extensions show that it is Triton."""
UNKNOWN = "unknown"
NO_SUCH_CALL = grpc.StatusCode.UNIMPLEMENTED
NO_SUCH_MODEL = grpc.StatusCode.NOT_FOUND


@dataclass(frozen=True)
class Description:
    """What a node told before the run. `model` is None where its engine cannot tell.

    `tells_name` says whether the node knows a name of its own, `versions` are those of the model
    that the server may choose among.
    """

    info: NodeInfo
    interface: Interface
    model: ServedModel | None
    tells_name: bool
    versions: tuple[str, ...]


class Node:
    """Life cycle: construct, `describe`, then `infer` from any thread, `close`."""

    def __init__(self, endpoint: str, config: NetworkConfig) -> None:
        self.endpoint = endpoint
        self._config = config
        self._model = config.served_model
        self._version = config.model_version
        self._channel = open_channel(endpoint, config)
        self._stub = service_pb2_grpc.GRPCInferenceServiceStub(self._channel)
        self._infer = self._channel.unary_unary(
            INFER,
            request_serializer=None,
            response_deserializer=service_pb2.ModelInferResponse.FromString,
        )
        self._writer: RequestWriter

    def describe(self, image: ImageFormat) -> Description:
        """Ask for all there is to know, and check it.

        Raises ModelError naming the node: one that is down, not ready, or serves what cannot be
        used.
        """
        try:
            return self._describe(image)
        except grpc.RpcError as error:
            raise ModelError(f"{self} {self._fault(error)}.") from error
        except InferenceError as error:
            raise ModelError(f"{self} {error}.") from error
        except ModelError as error:
            raise ModelError(f'{self}: the model "{self._model}" {error}.') from error
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ModelError(
                f"{self}: its model's description is not understood: {error}."
            ) from error

    def name(self) -> str:
        """The node's own name, asked for now. Raises InferenceError."""
        try:
            return str(self._server().name) or self.endpoint
        except grpc.RpcError as error:
            if error.code() == NO_SUCH_CALL:
                return self.endpoint
            raise InferenceError(f"{self} {reason(error)}.") from error

    def infer(self, sample: bytes | memoryview) -> Any:
        """Send one sample; returns gRPC's future of an answer. The sample may change then."""
        return self._infer.future(self._writer.request(sample), timeout=self._config.deadline)

    def close(self) -> None:
        self._channel.close()

    def __str__(self) -> str:
        return f"Node {self.endpoint}"

    def _server(self) -> Any:
        return self._stub.ServerMetadata(
            service_pb2.ServerMetadataRequest(), timeout=self._config.deadline
        )

    def _describe(self, image: ImageFormat) -> Description:
        self._check_ready()
        try:
            metadata = self._metadata(self._version)
        except grpc.RpcError as error:
            if error.code() == NO_SUCH_CALL and not is_http(error):
                raise InferenceError(
                    "does not report a model's inputs and outputs (ModelMetadata): it does not "
                    "speak the Open Inference Protocol (KServe v2), or only a part of it"
                ) from error
            raise
        if self._version and metadata.versions and self._version not in metadata.versions:
            raise ModelError(self._no_version(metadata.versions))
        if not metadata.inputs and not metadata.outputs:
            raise ModelError("does not report its inputs and outputs: its metadata is empty")
        found = interface(
            _tensors(metadata.inputs), _tensors(metadata.outputs), image, self._config.payload
        )
        model = self._served_model()
        self._writer = RequestWriter(self._model, self._version, found.images, (found.output,))
        info = dataclasses.replace(
            self._server_info(),
            model_version=self._version or max(metadata.versions, key=_number, default=""),
            runtime=self._runtime(found, image) if found.tells_node else None,
        )
        return Description(
            info=info,
            interface=found,
            model=model,
            tells_name=info.name != self.endpoint,
            versions=() if self._version else tuple(metadata.versions),
        )

    def _check_ready(self) -> None:
        """Only of the model: other models of the server do not matter."""
        request = service_pb2.ModelReadyRequest(name=self._model, version=self._version or "")
        try:
            if self._stub.ModelReady(request, timeout=self._config.deadline).ready:
                return
        except grpc.RpcError as error:
            if error.code() == NO_SUCH_CALL and not is_http(error):
                return
            if error.code() != NO_SUCH_MODEL:
                raise
        try:
            self._metadata(self._version)
        except grpc.RpcError as error:
            versions = self._versions() if error.code() == NO_SUCH_MODEL else ()
            if not versions:
                raise
            raise ModelError(self._no_version(versions)) from error
        raise ModelError("is not ready")

    def _metadata(self, version: str | None) -> Any:
        request = service_pb2.ModelMetadataRequest(name=self._model, version=version or "")
        return self._stub.ModelMetadata(request, timeout=self._config.deadline)

    def _versions(self) -> tuple[str, ...]:
        """The versions that exist, where the one asked for does not."""
        if self._version is None:
            return ()
        try:
            return tuple(self._metadata(None).versions)
        except grpc.RpcError:
            return ()

    def _no_version(self, others: Iterable[str]) -> str:
        return f"has no version {self._version}, but {', '.join(others)} (--model-version)"

    def _server_info(self) -> NodeInfo:
        """A server that cannot tell its name is called by its address."""
        try:
            server = self._server()
        except grpc.RpcError as error:
            if error.code() != NO_SUCH_CALL:
                raise
            server = service_pb2.ServerMetadataResponse()
        is_triton = TRITON_EXTENSION in server.extensions
        return NodeInfo(
            address=self.endpoint,
            name=server.name or self.endpoint,
            engine="triton" if is_triton else server.name or UNKNOWN,
            version=server.version or UNKNOWN,
            model=self._model,
            model_version="",
            runtime=None,
        )

    def _served_model(self) -> ServedModel | None:
        """The parameter that serve.py writes; None for engines and models without."""
        request = service_pb2.ModelConfigRequest(name=self._model, version=self._version or "")
        try:
            config = self._stub.ModelConfig(request, timeout=self._config.deadline).config
        except grpc.RpcError as error:
            if error.code() == NO_SUCH_CALL:
                return None
            raise
        if PARAMETER not in config.parameters:
            return None
        return ServedModel.from_json(config.parameters[PARAMETER].string_value)

    def _runtime(self, found: Interface, image: ImageFormat) -> dict[str, Any]:
        writer = RequestWriter(self._model, self._version, found.images, (found.output, NODE))
        request = writer.request(sample_bytes(black(image, found)))
        answer = self._infer(request, timeout=self._config.deadline)
        runtime = json.loads(read_text(answer, NODE))
        if not isinstance(runtime, dict):
            raise TypeError(f'its output "{NODE}" is not a JSON object')
        for count in ("threads", "streams"):
            int(runtime.get(count, 0))
        return runtime

    def _fault(self, error: grpc.RpcError) -> str:
        """Why a call before the run failed; found out here where gRPC does not say it."""
        fault = None
        if error.code() == grpc.StatusCode.UNAVAILABLE:
            fault = connection_fault(self.endpoint, self._config)
        return fault or reason(error)


def _tensors(metadata: Any) -> list[Tensor]:
    return [Tensor(tensor.name, tensor.datatype, tuple(tensor.shape)) for tensor in metadata]


def _number(version: str) -> int:
    return int(version) if version.isdecimal() else 0
