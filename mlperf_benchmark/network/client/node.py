"""One served node: what it says about itself, and inference on it."""

import json
from dataclasses import dataclass
from typing import Any

import grpc
from tritonclient.grpc import service_pb2, service_pb2_grpc

from mlperf_benchmark.core.errors import InferenceError, ModelError
from mlperf_benchmark.core.image_format import ImageFormat
from mlperf_benchmark.core.network_config import NetworkConfig
from mlperf_benchmark.core.node_info import NodeInfo
from mlperf_benchmark.network.client.connection import open_channel
from mlperf_benchmark.network.client.interface import Interface, black, interface
from mlperf_benchmark.network.client.wire import RequestWriter, Tensor, read_text, sample_bytes
from mlperf_benchmark.network.served_model import NODE, PARAMETER, ServedModel

INFER = "/inference.GRPCInferenceService/ModelInfer"
TRITON_EXTENSION = "model_configuration"
"""Triton answers the name that it was given; its extensions tell it."""


@dataclass(frozen=True)
class Description:
    """What a node told before the run. `model` is None where its engine cannot tell."""

    info: NodeInfo
    interface: Interface
    model: ServedModel | None


class Node:
    """Life cycle: construct, `describe`, then `infer` from any thread, `close`."""

    def __init__(self, endpoint: str, config: NetworkConfig) -> None:
        self.endpoint = endpoint
        self._config = config
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
        name = self._config.served_model
        try:
            return self._describe(name, image)
        except grpc.RpcError as error:
            raise ModelError(f"{self} {reason(error)}.") from error
        except ModelError as error:
            raise ModelError(f'{self}: the model "{name}" {error}.') from error
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ModelError(
                f"{self}: its model's description is not understood: {error}."
            ) from error

    def name(self) -> str:
        """The node's own name, asked for now. Raises InferenceError."""
        try:
            return str(self._server().name)
        except grpc.RpcError as error:
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

    def _describe(self, name: str, image: ImageFormat) -> Description:
        timeout = self._config.deadline
        if not self._stub.ServerReady(service_pb2.ServerReadyRequest(), timeout=timeout).ready:
            raise ModelError("cannot be asked for: the server is not ready")
        server = self._server()
        metadata = self._stub.ModelMetadata(
            service_pb2.ModelMetadataRequest(name=name), timeout=timeout
        )
        ready = self._stub.ModelReady(service_pb2.ModelReadyRequest(name=name), timeout=timeout)
        if not ready.ready:
            raise ModelError("is not ready")
        found = interface(
            _tensors(metadata.inputs), _tensors(metadata.outputs), image, self._config.payload
        )
        model = self._model(name)
        self._writer = RequestWriter(name, found.images, (found.output,))
        engine = "triton" if TRITON_EXTENSION in server.extensions else server.name
        info = NodeInfo(
            address=self.endpoint,
            name=server.name,
            engine=engine,
            version=server.version,
            model=name,
            model_version=max(metadata.versions, key=_number, default=""),
            runtime=self._runtime(name, found, image) if found.tells_node else None,
        )
        return Description(info, found, model)

    def _model(self, name: str) -> ServedModel | None:
        """The parameter that serve.py writes; None for engines and models without."""
        try:
            config = self._stub.ModelConfig(
                service_pb2.ModelConfigRequest(name=name), timeout=self._config.deadline
            ).config
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.UNIMPLEMENTED:
                return None
            raise
        if PARAMETER not in config.parameters:
            return None
        return ServedModel.from_json(config.parameters[PARAMETER].string_value)

    def _runtime(self, name: str, found: Interface, image: ImageFormat) -> dict[str, Any]:
        writer = RequestWriter(name, found.images, (found.output, NODE))
        request = writer.request(sample_bytes(black(image, found)))
        answer = self._infer(request, timeout=self._config.deadline)
        runtime: dict[str, Any] = json.loads(read_text(answer, NODE))
        return runtime


def _tensors(metadata: Any) -> list[Tensor]:
    return [Tensor(tensor.name, tensor.datatype, tuple(tensor.shape)) for tensor in metadata]


def _number(version: str) -> int:
    return int(version) if version.isdecimal() else 0


def reason(error: grpc.RpcError) -> str:
    """What a call failed of, in a line."""
    code = error.code()
    details = " ".join(str(error.details()).split()).rstrip(".")
    if code == grpc.StatusCode.UNAVAILABLE:
        # gRPC's text goes from the general to the cause.
        return f"cannot be reached ({details.rpartition(': ')[2]})"
    if code == grpc.StatusCode.DEADLINE_EXCEEDED:
        return "did not answer within the deadline"
    return f"answered {code.name}: {details}"
