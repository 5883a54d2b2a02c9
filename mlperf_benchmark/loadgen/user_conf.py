"""Checks a user.conf before LoadGen reads it: LoadGen ignores what it does not know."""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from mlperf_benchmark.core.errors import UsageError
from mlperf_benchmark.core.run_config import SCENARIOS

# What TestSettings::FromConfig of LoadGen 6.0 looks up in a user's file and takes for a count,
# cut off at the first character that is no digit. Keys of language models are left out.
WHOLE_NUMBERS = frozenset(
    {
        "samples_per_query",
        "performance_issue_unique",
        "performance_issue_same",
        "performance_issue_same_index",
        "sample_concatenate_permutation",
        "coalesce_queries",
        "max_async_queries",
        "min_duration",
        "max_duration",
        "min_query_count",
        "max_query_count",
        "performance_sample_count_override",
        "print_timestamps",
        "accuracy_log_rng_seed",
        "accuracy_log_sampling_target",
    }
)
NUMBERS = frozenset({"target_latency", "target_latency_percentile", "target_qps"})
FEW_SCENARIOS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "samples_per_query": ("MultiStream",),
        "coalesce_queries": ("Server",),
        "max_async_queries": ("Server",),
        "target_latency": ("SingleStream", "MultiStream", "Server"),
        "target_latency_percentile": ("SingleStream", "MultiStream", "Server"),
        "target_qps": ("Server", "Offline"),
    }
)


@dataclass(frozen=True)
class Range:
    """From `low` to `high`; `is_open` leaves these two out."""

    low: float
    high: float
    is_open: bool = False

    def holds(self, value: float) -> bool:
        if self.is_open:
            return self.low < value < self.high
        return self.low <= value <= self.high

    def __str__(self) -> str:
        if self.is_open:
            return f"above {self.low} and below {self.high}"
        return f"from {self.low} to {self.high}"


COUNT = Range(0, 2**31 - 1)
FLAG = Range(0, 1)
# In nanoseconds still 64 bits.
MILLISECONDS = Range(0, 10**12)
SEED = Range(0, 2**64 - 1)
RANGES: Mapping[str, Range] = MappingProxyType(
    {
        "samples_per_query": Range(1, COUNT.high),
        "performance_issue_unique": FLAG,
        "performance_issue_same": FLAG,
        "performance_issue_same_index": COUNT,
        "sample_concatenate_permutation": FLAG,
        "coalesce_queries": FLAG,
        "max_async_queries": COUNT,
        "min_duration": MILLISECONDS,
        "max_duration": MILLISECONDS,
        "min_query_count": COUNT,
        "max_query_count": COUNT,
        "performance_sample_count_override": COUNT,
        "print_timestamps": FLAG,
        "accuracy_log_rng_seed": SEED,
        "accuracy_log_sampling_target": COUNT,
        "target_latency": Range(0, MILLISECONDS.high, is_open=True),
        "target_latency_percentile": Range(0, 100, is_open=True),
        "target_qps": Range(0, 10**9, is_open=True),
    }
)
EMBEDDED = "LoadGen takes it from its own rules only"
REFUSED: Mapping[str, str] = MappingProxyType(
    {
        "qsl_rng_seed": EMBEDDED,
        "sample_index_rng_seed": EMBEDDED,
        "schedule_rng_seed": EMBEDDED,
        "mode": "--accuracy chooses the mode",
        "accuracy_sample_count_override": "--count chooses the samples",
    }
)
SIMILAR = 0.75


def read_user_conf(path: Path, model_name: str) -> dict[str, str]:
    """Parse `model.scenario.key = value` lines.

    Raises UsageError naming the line for whatever LoadGen would ignore or misread: an unknown
    key or scenario, missing spaces around "=", a value that is not a number, a seed; and for a file
    that says nothing about `model_name`.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"Cannot read --user-conf {path}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"--user-conf {path} is not a text file in UTF-8.") from error
    settings = {}
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        if words and words[0] != "#":
            settings[words[0]] = _value(words, model_name, f"{path}, line {number}")
    models = {name.rsplit(".", maxsplit=2)[0] for name in settings}
    if models and not models & {"*", model_name}:
        raise UsageError(
            f'{path} says nothing about "{model_name}", but about {", ".join(sorted(models))}.'
        )
    return settings


def _value(words: list[str], model_name: str, where: str) -> str:
    if any(word.startswith("#") for word in words):
        raise UsageError(
            f'{where}: LoadGen reads comments only from lines of their own that begin with "# ".'
        )
    if len(words) != 3 or words[1] != "=":
        raise UsageError(
            f'{where}: "{" ".join(words)}" is not "model.scenario.key = value" with spaces around '
            f'the "="; LoadGen would not read it.'
        )
    name, _, value = words
    parts = name.rsplit(".", maxsplit=2)
    if len(parts) != 3:
        raise UsageError(f'{where}: "{name}" is not of the form model.scenario.key.')
    model, scenario, key = parts
    if model != model_name and difflib.get_close_matches(model, [model_name], cutoff=SIMILAR):
        raise UsageError(
            f'{where}: the model is called "{model_name}" in this run, "{model}" is another one.'
        )
    _check_key(scenario, key, where)
    _check_number(scenario, key, value, where)
    return value


def _check_key(scenario: str, key: str, where: str) -> None:
    if scenario not in (*SCENARIOS, "*"):
        raise UsageError(
            f'{where}: unknown scenario "{scenario}"; LoadGen knows {", ".join(SCENARIOS)} and *.'
        )
    if key in REFUSED:
        raise UsageError(f"{where}: {key} has no effect here, as {REFUSED[key]}; remove the line.")
    known = WHOLE_NUMBERS | NUMBERS
    if key not in known:
        near = difflib.get_close_matches(key, known, n=1)
        hint = f' Did you mean "{near[0]}"?' if near else ""
        raise UsageError(f'{where}: LoadGen knows no key "{key}" for image models.{hint}')
    scenarios = FEW_SCENARIOS.get(key, SCENARIOS)
    if scenario not in (*scenarios, "*"):
        raise UsageError(
            f"{where}: {scenario} has no {key}; LoadGen reads it for {', '.join(scenarios)}."
        )


def _check_number(scenario: str, key: str, value: str, where: str) -> None:
    # Milliseconds of a latency bound are whole ones, those of an expected latency are not.
    whole = key in WHOLE_NUMBERS or (key, scenario) == ("target_latency", "Server")
    if whole and not re.fullmatch(r"0|[1-9][0-9]*", value):
        raise UsageError(f'{where}: "{value}" is not a whole number, as LoadGen wants for {key}.')
    if not re.fullmatch(r"([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?", value):
        raise UsageError(f'{where}: "{value}" is not a number.')
    if not RANGES[key].holds(int(value) if whole else float(value)):
        raise UsageError(f"{where}: {key} is {RANGES[key]}, not {value}.")
