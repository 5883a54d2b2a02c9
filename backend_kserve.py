"""Nodes that serve a model over the Open Inference Protocol (KServe v2), by gRPC."""

import dataclasses
import threading
from collections.abc import Mapping
from typing import Any

import numpy as np

from backend import BackendConfig, BackendInfo, Listener, NetworkBackend, SampleLoader
from dataset import Dataset
from mlperf_benchmark.core.errors import InferenceError, UsageError
from mlperf_benchmark.core.image_format import Images, Scores
from mlperf_benchmark.core.node_info import NetworkReport, NodeInfo
from mlperf_benchmark.network.client.cluster import (
    check_agreement,
    check_distinct,
    report,
    unique_names,
)
from mlperf_benchmark.network.client.dispatch import Dispatcher, Request
from mlperf_benchmark.network.client.interface import Interface, as_served
from mlperf_benchmark.network.client.node import Description, Node
from mlperf_benchmark.network.client.wire import Answer, read_values, sample_bytes


class KServeBackend(NetworkBackend):
    """Sends each sample to the node with the fewest unanswered requests.

    It neither batches, pads nor keeps anything: the engine on the node does what is to be done.
    """

    accepts = frozenset(
        {
            *("endpoint", "served_model", "model_version", "deadline", "in_flight"),
            *("on_node_loss", "payload", "tls_ca", "tls_cert", "tls_key", "token_file"),
        }
    )

    def __init__(self, config: BackendConfig) -> None:
        super().__init__(config)
        if config.network is None:
            raise UsageError("The kserve backend needs its nodes: --endpoint HOST:PORT.")
        self._network = config.network
        check_distinct(self._network.endpoints)
        self._nodes = tuple(Node(endpoint, self._network) for endpoint in self._network.endpoints)
        self._dispatcher = Dispatcher(
            self._nodes,
            self._read,
            self._network.in_flight,
            goes_on=self._network.on_node_loss == "continue",
        )
        self._descriptions: tuple[Description, ...]
        self._served: Interface

    def load(self) -> BackendInfo:
        self._descriptions = tuple(node.describe(self.config.image) for node in self._nodes)
        check_agreement(self._descriptions)
        first = self._descriptions[0]
        self._served = first.interface
        runtime = first.info.runtime or {}
        return BackendInfo(
            name="kserve",
            version=f"{first.info.engine} {first.info.version}",
            input_name=self._served.images.name,
            output_name=self._served.output,
            data_format=self._served.layout,
            classes=self._served.classes,
            max_batch_size=1,
            requests=self._network.in_flight * len(self._nodes),
            threads=int(runtime.get("threads", 0)),
            streams=int(runtime.get("streams", 0)),
            executed_precision=str(runtime.get("executed_precision", "unknown")),
            nodes=tuple(description.info for description in self._descriptions),
        )

    def sample_loader(self, dataset: Dataset) -> SampleLoader:
        return lambda indices: as_served(dataset.load(indices), dataset.image, self._served)

    def predict(self, images: Images) -> Scores:
        waiter = _Waiter()
        self.submit(images, None, waiter)
        return waiter.wait()

    def submit(self, images: Images, token: Any, listener: Listener) -> None:
        if len(images) != 1:
            raise InferenceError("A request to a node is one sample: batches are the engine's.")

        def answered(scores: Scores) -> None:
            listener.completed(token, scores)

        self._dispatcher.submit(Request(sample_bytes(images), answered, listener.failed))

    def drain(self) -> None:
        self._dispatcher.drain()

    def ask_names(self) -> tuple[str, ...]:
        return unique_names(self._dispatcher.ask_names(), self._network.endpoints)

    def served_model(self) -> Mapping[str, Any] | None:
        model = self._descriptions[0].model
        return None if model is None else model.model

    def report(self, client_load: float) -> NetworkReport:
        return report(self._descriptions, self._infos(), client_load)

    def close(self) -> None:
        for node in self._nodes:
            node.close()

    def _read(self, answer: Answer) -> Scores:
        """Raises InferenceError, to be read after the node's name."""
        version = self._network.model_version
        if version and answer.model_version not in ("", version):
            raise InferenceError(f"answered as version {answer.model_version}, not {version}")
        values = read_values(answer, self._served.output)
        classes = self._served.classes
        if not self._served.takes_argmax:
            if len(values) != classes:
                raise InferenceError(f"answered {len(values)} scores in place of {classes}")
            if np.isnan(values).any():
                raise InferenceError("answered NaN scores")
            return values.reshape(1, classes)
        if len(values) != 1:
            raise InferenceError(f"answered {len(values)} labels in place of one")
        if not (0 <= values[0] < classes and values[0].is_integer()):
            raise InferenceError(f"answered {values.tolist()} in place of one label")
        return values

    def _infos(self) -> list[NodeInfo]:
        return [
            dataclasses.replace(description.info, answered=lane.answered, lost=lane.lost)
            for description, lane in zip(self._descriptions, self._dispatcher.lanes, strict=True)
        ]


class _Waiter:
    """Waits for the answer to one request."""

    def __init__(self) -> None:
        self._ended = threading.Event()
        self._scores: Scores
        self._error: BaseException | None = None

    def completed(self, _token: Any, scores: Scores) -> None:
        self._scores = scores
        self._ended.set()

    def failed(self, error: BaseException) -> None:
        self._error = error
        self._ended.set()

    def wait(self) -> Scores:
        self._ended.wait()
        if self._error is not None:
            raise self._error
        return self._scores
