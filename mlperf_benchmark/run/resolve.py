"""Profile defaults and command line become one RunConfig; what makes no sense is refused."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass

from backend import BACKENDS, NetworkBackend
from dataset import DATASETS
from mlperf_benchmark.core.errors import UsageError
from mlperf_benchmark.core.network_config import JPEG, NetworkConfig
from mlperf_benchmark.core.parser import flag
from mlperf_benchmark.core.preprocessing import CUSTOM
from mlperf_benchmark.core.registry import known_name
from mlperf_benchmark.core.run_config import SCENARIOS, RunConfig
from mlperf_benchmark.core.turn_protocol import TEST_TURN_SCENARIOS, TURN_SCENARIOS
from mlperf_benchmark.own_model.options import CARD_OPTIONS, given_card, refuse_card
from mlperf_benchmark.run.network_options import NETWORK_OPTIONS, resolve_network
from profiles import MLPERF_RESNET50, Profile, custom_profile, profile

BACKEND_OPTIONS = (
    "model",
    "threads",
    "streams",
    "precision",
    "inputs",
    "outputs",
    "data_format",
    "execution_provider",
    "model_cache",
    *NETWORK_OPTIONS,
)


@dataclass(frozen=True)
class Refusal:
    """An option that does not apply where `when` holds, and why."""

    option: str
    when: Callable[[argparse.Namespace], bool]
    reason: str


def _accuracy(options: argparse.Namespace) -> bool:
    return bool(options.accuracy)


def _not(*scenarios: str) -> Callable[[argparse.Namespace], bool]:
    return lambda options: options.scenario not in scenarios


def _only(scenario: str) -> Callable[[argparse.Namespace], bool]:
    return lambda options: options.scenario == scenario


ONE_SAMPLE = "a SingleStream query is one sample, and the next one waits for its answer"
ACCURACY_TAKES_ALL = "an accuracy run takes every sample once, however long that takes"
REFUSALS = (
    Refusal("time", _accuracy, ACCURACY_TAKES_ALL),
    Refusal("queries", _accuracy, ACCURACY_TAKES_ALL),
    Refusal("qps", _accuracy, ACCURACY_TAKES_ALL),
    Refusal("max_latency", _accuracy, "an accuracy run has no latency bound"),
    Refusal("audit_conf", _accuracy, "a compliance test is a performance run"),
    Refusal(
        "qps",
        _not("Server", "Offline"),
        "the next query waits for the answer to the last one, so there is no rate to set",
    ),
    Refusal("samples_per_query", _not("MultiStream"), "only MultiStream has a number to choose"),
    Refusal("max_latency", _not("Server"), "only Server has a latency bound"),
    Refusal("queries_per_turn", _accuracy, "an accuracy run is not timed"),
    Refusal(
        "queries_per_turn",
        _not(*TURN_SCENARIOS),
        "its queries do not wait for each other, so there is no pause between them",
    ),
    Refusal("tests_per_run", _accuracy, "an accuracy run is not timed"),
    Refusal(
        "tests_per_run",
        _not(*TEST_TURN_SCENARIOS),
        "its turns are by queries: --queries-per-turn",
    ),
    Refusal("max_batchsize", _only("SingleStream"), ONE_SAMPLE),
    Refusal("streams", _only("SingleStream"), ONE_SAMPLE),
)


def resolve(options: argparse.Namespace) -> RunConfig:
    """The configuration of the run. Raises UsageError for options that contradict each other."""
    known_name("scenario", options.scenario, SCENARIOS)
    defaults = _defaults(options)
    for refusal in REFUSALS:
        given = getattr(options, refusal.option) is not None
        if given and refusal.when(options):
            mode = "accuracy" if refusal.when is _accuracy else options.scenario
            raise UsageError(
                f"{flag(refusal.option)} does not apply to {mode} runs: {refusal.reason}."
            )
    if options.time is not None and options.queries is not None:
        raise UsageError(
            "--time and --queries exclude each other: a number of queries takes as long as it does."
        )
    if options.scenario == "Offline" and options.qps is not None and options.queries is not None:
        raise UsageError(
            "--qps and --queries exclude each other in Offline: the rate only decides how many "
            "samples its one query has, and --queries says that."
        )
    _check_tests(options)
    backend = options.backend or defaults.backend
    _check_backend(options, backend)
    dataset = options.dataset or defaults.dataset
    _check_dataset(options, dataset)
    if options.payload == JPEG and not DATASETS.load(dataset).needs_path:
        raise UsageError(f"--payload jpeg needs image files, and the data set {dataset} has none.")
    left_out = {*NETWORK_OPTIONS, *CARD_OPTIONS}
    values = {name: value for name, value in vars(options).items() if name not in left_out}
    values |= {
        "profile": _profile_name(options) or "none",
        "card": given_card(vars(options)),
        "backend": backend,
        "dataset": dataset,
        "model_name": options.model_name or defaults.model_name,
        "precision": options.precision or defaults.precision,
        "max_batchsize": _batch(options, defaults),
        "inputs": options.inputs or (),
        "outputs": options.outputs or (),
        "network": _network(options, backend, defaults),
    }
    config = RunConfig(**values)
    if not config.is_own_model:
        refuse_card(options, dataset)
    return config


def _defaults(options: argparse.Namespace) -> Profile:
    name = _profile_name(options)
    if name == CUSTOM:
        return custom_profile(options.model, options.backend)
    if name is not None:
        return profile(name)
    if options.backend is None or options.dataset is None:
        raise UsageError(
            "Say what to run: --model FILE, --profile NAME, or both --backend and --dataset. "
            "main.py --help lists them."
        )
    return Profile(
        backend=options.backend,
        dataset=options.dataset,
        model_name=options.model_name or MLPERF_RESNET50,
        precision="default",
    )


def _profile_name(options: argparse.Namespace) -> str | None:
    """Without any, a model is the user's own; None where backend and data set are named."""
    if options.profile is not None or options.model is None:
        name: str | None = options.profile
        return name
    return None if options.backend and options.dataset not in (None, CUSTOM) else CUSTOM


def _check_tests(options: argparse.Namespace) -> None:
    tests, queries = options.tests_per_run, options.queries
    if tests is None:
        return
    if options.time is None and queries is None:
        raise UsageError("--tests-per-run needs --time or --queries, which the tests share.")
    if queries is not None and queries < tests:
        raise UsageError(f"--queries {queries} are too few for {tests} tests: each needs one.")


def _batch(options: argparse.Namespace, defaults: Profile) -> int | None:
    if options.max_batchsize is not None:
        return int(options.max_batchsize)
    return 1 if options.scenario == "SingleStream" else defaults.max_batchsize


def _check_backend(options: argparse.Namespace, name: str) -> None:
    backend = BACKENDS.load(name)
    if options.scenario not in backend.scenarios:
        raise UsageError(
            f"The {name} backend runs {' and '.join(backend.scenarios)}, the scenarios of MLPerf's "
            "network division: --scenario NAME."
        )
    accepted = backend.accepts
    for option in BACKEND_OPTIONS:
        if getattr(options, option) is not None and option not in accepted:
            raise UsageError(f"{flag(option)} does not apply to the {name} backend.")
    if "model" in accepted and options.model is None:
        raise UsageError(f"The {name} backend needs a model: --model FILE.")


def _network(options: argparse.Namespace, backend: str, defaults: Profile) -> NetworkConfig | None:
    if not issubclass(BACKENDS.load(backend), NetworkBackend):
        return None
    if options.max_batchsize is not None and options.max_batchsize > 1:
        raise UsageError(
            f"--max-batchsize does not apply to the {backend} backend: each query goes to a node "
            "as it is, and the engine there makes the batches."
        )
    if options.tests_per_run is not None:
        raise UsageError(
            f"--tests-per-run does not apply to the {backend} backend: nodes do not rest between "
            "the turns of a client."
        )
    return resolve_network(options, defaults.served_model)


def _check_dataset(options: argparse.Namespace, name: str) -> None:
    needs_path = DATASETS.load(name).needs_path
    if needs_path and options.dataset_path is None:
        raise UsageError(
            f"The data set {name} needs its folder: --dataset-path DIR (for speed alone, without "
            "images: --dataset synthetic)."
        )
    for option in ("dataset_path", "dataset_list"):
        if not needs_path and getattr(options, option) is not None:
            raise UsageError(f"{flag(option)} does not apply to the {name} data set.")
