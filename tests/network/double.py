"""A served node that speaks KServe v2, for faults that a real engine does not make on demand.

A process of its own: `python -m tests.network.double --help`. It prints its port, then answers
each image with a label that depends on its bytes, and writes a line for each request to its log.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
import zlib
from pathlib import Path
from typing import Any

import grpc
import numpy as np
from tritonclient.grpc import service_pb2 as pb
from tritonclient.grpc import service_pb2_grpc

from mlperf_benchmark.network.served_model import LABELS, NODE, PARAMETER

MODEL = "resnet50"
CLASSES = 1000
FAULTS = ("die", "hang", "error", "twice", "nan", "size", "no-output", "type")
CALLS = ("ModelReady", "ModelMetadata", "ServerMetadata")


def label_of(sample: bytes) -> int:
    """What the double answers for these bytes of a sample."""
    return zlib.crc32(sample) % CLASSES


class Double(service_pb2_grpc.GRPCInferenceServiceServicer):  # type: ignore[misc]
    """Answers `at_once` requests side by side, after `delay` seconds each.

    The image whose label is `poison` meets with the `fault`. The probe before a run takes the
    first samples only, so it is LoadGen that comes upon a later one.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self._slots = asyncio.Semaphore(options.at_once)
        self._log = options.log.open("a", buffering=1) if options.log else None

    async def ServerLive(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's
        return pb.ServerLiveResponse(live=True)

    async def ServerReady(self, request: Any, context: Any) -> Any:  # noqa: N802
        return pb.ServerReadyResponse(ready=not self.options.not_ready)

    async def ModelReady(self, request: Any, context: Any) -> Any:  # noqa: N802
        if "ModelReady" in self.options.lacks:
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, "")
        known = request.name == MODEL and self._has(request.version)
        return pb.ModelReadyResponse(ready=known and not self.options.model_not_ready)

    def _has(self, version: str) -> bool:
        return self.options.all_versions or version in ("", *self.options.versions)

    async def ServerMetadata(self, request: Any, context: Any) -> Any:  # noqa: N802
        await self._check_token(context)
        if "ServerMetadata" in self.options.lacks:
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, "")
        return pb.ServerMetadataResponse(name=self.options.name, version="1.0")

    async def ModelMetadata(self, request: Any, context: Any) -> Any:  # noqa: N802
        options = self.options
        if "ModelMetadata" in options.lacks:
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, "")
        if request.name != MODEL:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"unknown model {request.name}")
        if not self._has(request.version):
            await context.abort(grpc.StatusCode.NOT_FOUND, f"unknown version {request.version}")
        if options.unavailable:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the model is being loaded")
        asked = request.version and not options.all_versions
        versions = [request.version] if asked else options.versions
        metadata = pb.ModelMetadataResponse(name=MODEL, versions=versions, platform="double")
        if options.empty_metadata:
            return metadata
        metadata.inputs.add(name="images", datatype=options.datatype, shape=options.shape)
        if options.scores:
            metadata.outputs.add(name="scores", datatype="FP32", shape=[-1, options.scores])
        else:
            metadata.outputs.add(name=LABELS, datatype="FP32", shape=[-1, 1])
        if options.runtime:
            metadata.outputs.add(name=NODE, datatype="UINT8", shape=[-1, -1])
        return metadata

    async def ModelConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        if self.options.served_model is None:
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, "")
        response = pb.ModelConfigResponse()
        response.config.parameters[PARAMETER].string_value = self.options.served_model
        return response

    async def ModelInfer(self, request: Any, context: Any) -> Any:  # noqa: N802
        sample = request.raw_input_contents[0]
        if self.options.expects_version is not None:
            assert request.model_version == self.options.expects_version
        asked = {output.name for output in request.outputs}
        if NODE in asked:
            return self._answer(sample, self.options.runtime)
        if label_of(sample) == self.options.poison:
            await self._misbehave(context)
        async with self._slots:
            if self.options.delay:
                await asyncio.sleep(self.options.delay)
        if self._log:
            self._log.write(f"{label_of(sample)}\n")
        return self._answer(sample)

    async def _misbehave(self, context: Any) -> None:
        if self.options.fault == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.options.fault == "hang":
            await asyncio.sleep(3600)
        if self.options.fault == "error":
            await context.abort(grpc.StatusCode.INTERNAL, "the device is lost\nat line 12")

    async def _check_token(self, context: Any) -> None:
        wanted = self.options.token
        if wanted and ("authorization", f"Bearer {wanted}") not in context.invocation_metadata():
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "no token")

    def _answer(self, sample: bytes, runtime: str | None = None) -> Any:
        options = self.options
        label = label_of(sample)
        response = pb.ModelInferResponse(model_name=MODEL, model_version=options.answers_version)
        if options.scores:
            response.outputs.add(name="scores", datatype="FP32", shape=[1, options.scores])
            values = np.zeros(options.scores, np.float32)
            values[label + options.scores - CLASSES] = 1
        else:
            response.outputs.add(name=LABELS, datatype="FP32", shape=[1, 1])
            values = np.array([label], np.float32)
        if label == options.poison:
            if options.fault == "nan":
                values[0] = np.nan
            if options.fault == "size":
                values = np.zeros(7, np.float32)
            if options.fault == "no-output":
                response.outputs[0].name = "other"
            if options.fault == "type":
                response.outputs[0].datatype = "INT64"
        if options.typed:
            response.outputs[0].contents.fp32_contents.extend(values.tolist())
        else:
            response.raw_output_contents.append(values.tobytes())
        if runtime is not None:
            text = runtime.encode()
            response.outputs.add(name=NODE, datatype="UINT8", shape=[1, len(text)])
            response.raw_output_contents.append(text)
        return response


class TwiceHandler(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Answers the poison with two messages, which a unary call must not have."""

    def __init__(self, double: Double) -> None:
        self._double = double

    def service(self, details: Any) -> Any:
        if not details.method.endswith("/ModelInfer"):
            return None
        return grpc.unary_stream_rpc_method_handler(
            self._infer,
            request_deserializer=pb.ModelInferRequest.FromString,
            response_serializer=pb.ModelInferResponse.SerializeToString,
        )

    async def _infer(self, request: Any, context: Any) -> Any:
        answer = await self._double.ModelInfer(request, context)
        yield answer
        if label_of(request.raw_input_contents[0]) == self._double.options.poison:
            yield answer


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--name", default="double")
    add("--port", type=int, default=0)
    add("--log", type=Path, help="gets the label of each answered request")
    add("--delay", type=float, default=0, help="seconds that an inference takes")
    add("--at-once", type=int, default=1, help="inferences side by side")
    add("--poison", type=int, metavar="LABEL")
    add("--fault", choices=FAULTS)
    add("--scores", type=int, help="answer scores of so many classes")
    add("--typed", action="store_true", help="answer in typed fields in place of raw bytes")
    add("--datatype", default="UINT8")
    add("--shape", type=json.loads, default=[-1, 224, 224, 3])
    add("--not-ready", action="store_true", help="the server, whatever the model is")
    add("--model-not-ready", action="store_true")
    add("--unavailable", action="store_true", help="answer so when asked for the model")
    add("--lacks", nargs="+", choices=CALLS, default=(), help="calls that it does not know")
    add("--empty-metadata", action="store_true")
    add("--versions", nargs="+", default=["1"])
    add("--all-versions", action="store_true", help="take no notice of the version asked for")
    add("--answers-version", default="1")
    add("--expects-version", metavar="N", help="refuse requests for another version")
    add("--address", default="127.0.0.1", help="to listen on")
    add("--served-model", help="content of the model's parameter")
    add("--runtime", help="content of the output that tells of the node")
    add("--token", help="ask for this bearer token")
    add("--certificate", type=Path)
    add("--key", type=Path)
    add("--client-ca", type=Path, help="ask for a client certificate of this authority")
    return parser.parse_args(arguments)


async def serve(options: argparse.Namespace) -> None:
    server = grpc.aio.server()
    double = Double(options)
    if options.fault == "twice":
        server.add_generic_rpc_handlers((TwiceHandler(double),))
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(double, server)
    address = f"{options.address}:{options.port}"
    if options.certificate:
        credentials = grpc.ssl_server_credentials(
            [(options.key.read_bytes(), options.certificate.read_bytes())],
            root_certificates=options.client_ca.read_bytes() if options.client_ca else None,
            require_client_auth=options.client_ca is not None,
        )
        port = server.add_secure_port(address, credentials)
    else:
        port = server.add_insecure_port(address)
    await server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(serve(parse(sys.argv[1:])))
