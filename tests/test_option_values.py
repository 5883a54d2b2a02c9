"""Values that pass as numbers and make no sense: every command refuses them before it starts."""

import argparse
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mlperf_benchmark.compare import options as compare
from mlperf_benchmark.core.errors import UsageError
from mlperf_benchmark.models.prepare import finetune_options as finetune
from mlperf_benchmark.models.prepare import options as prepare
from mlperf_benchmark.network.server import options as serve
from mlperf_benchmark.run import options as main
from mlperf_benchmark.submit import options as submission

Parse = Callable[[list[str]], Any]
MODEL = "resnet50 --weights random"
COMMANDS: dict[str, tuple[Parse, str]] = {
    "main": (main.parse, ""),
    "compare": (lambda words: compare.parse_run(words, ()), ""),
    "compare check": (compare.parse_check, "results.json --against base.json"),
    "prepare": (prepare.parse, MODEL),
    "finetune": (finetune.parse, f"{MODEL} --prune 0.5 --train-path x --output y"),
    "submission": (submission.parse, "--profile null"),
    "serve triton": (serve.parse, "triton model.xml --output x"),
    "serve start": (serve.parse, "start x --id a"),
}
WHOLE = ("0", "-1", "1.5", "1e3", "nan", "many", "99999999999999999999")
FROM_ZERO = ("-1", *WHOLE[2:])
NUMBER = ("0", "-1", "nan", "inf", "1e999", "1e12", "1e-300", "fast")
NOT_NEGATIVE = ("-1", "nan", "inf", "1e12", "fast")
OPTIONS: dict[str, dict[str, tuple[str, ...]]] = {
    "main": {
        **dict.fromkeys(
            ("count", "queries", "queries-per-turn", "max-batchsize", "samples-per-query"), WHOLE
        ),
        "tests-per-run": WHOLE,
        **dict.fromkeys(("performance-sample-count", "threads", "streams", "in-flight"), WHOLE),
        **dict.fromkeys(("qps", "max-latency", "deadline"), NUMBER),
        "time": (*NUMBER, "0.0001"),
    },
    "compare": {
        **dict.fromkeys(("threads", "rounds", "queries-per-turn", "tests-per-run"), WHOLE),
        **dict.fromkeys(("streams", "max-batchsize"), WHOLE),
        "qps": NUMBER,
        "max-time": NUMBER,
        "seed": FROM_ZERO,
        "precision-goal": ("nan", "1", "-1%", "inf", "many"),
    },
    "compare check": {
        "max-accuracy-drop": NOT_NEGATIVE,
        "max-slowdown": ("nan", "nan%", "1", "-1%", "inf"),
    },
    "prepare": {
        **dict.fromkeys(("threads --backend tvm", "calibration-count"), WHOLE),
        "round-to --prune 0.5": WHOLE,
        "batches --backend tvm": ("0", "1,,8", "1,nan", "8,8", "99999999999999999999"),
        "tune --backend tvm": NUMBER,
        "prune": (*NUMBER, "1"),
        "max-drop --precision int8 --validation-path x": (*NOT_NEGATIVE, "1"),
        "seed": FROM_ZERO,
    },
    "finetune": {
        **dict.fromkeys(("epochs", "batch-size", "workers"), WHOLE),
        **dict.fromkeys(("learning-rate", "temperature"), NUMBER),
        "weight-decay": ("-5", *NOT_NEGATIVE),
    },
    "submission": {
        **dict.fromkeys(("max-batchsize", "threads", "streams", "count"), WHOLE),
        "time --rehearsal": (*NUMBER, "0.0001"),
        "max-latency --find-peak": NUMBER,
    },
    "serve triton": {
        **dict.fromkeys(("instances", "threads", "max-batchsize"), WHOLE),
        "queue-delay-us": FROM_ZERO,
    },
    "serve start": {"grpc-port": (*WHOLE, "65536")},
}


def cases() -> Iterator[Any]:
    for command, named in OPTIONS.items():
        for option, values in named.items():
            yield pytest.param(command, option, values, id=f"{command} --{option.split()[0]}")


@pytest.mark.parametrize(("command", "option", "values"), list(cases()))
def test_number_that_makes_no_sense_is_refused(
    command: str, option: str, values: tuple[str, ...]
) -> None:
    parse, needed = COMMANDS[command]
    name, *others = option.split()
    for value in values:
        with pytest.raises(UsageError, match=f"--{name}|out of range"):
            parse([*needed.split(), *others, f"--{name}", value])


@pytest.mark.parametrize("command", COMMANDS)
def test_no_option_takes_a_number_unchecked(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's own int and float let through what is listed above."""
    kinds: dict[str, Any] = {}
    add = argparse._ActionsContainer.add_argument

    def recorded(container: Any, *names: Any, **settings: Any) -> Any:
        kinds[names[-1]] = settings.get("type")
        return add(container, *names, **settings)

    monkeypatch.setattr(argparse._ActionsContainer, "add_argument", recorded)
    parse, needed = COMMANDS[command]
    parse(needed.split())
    assert kinds
    assert not [name for name, kind in kinds.items() if kind in (int, float)]
