"""Checks a user.conf before LoadGen reads it: LoadGen ignores what it does not know."""

import difflib
from pathlib import Path

from contracts.config import SCENARIOS
from contracts.errors import UsageError

# What TestSettings::FromConfig of LoadGen 6.0 looks up in a user's file.
KNOWN_KEYS = frozenset(
    {
        "mode",
        "use_token_latencies",
        "ttft_latency",
        "tpot_latency",
        "infer_token_latencies",
        "token_latency_scaling_factor",
        "target_latency_percentile",
        "samples_per_query",
        "target_latency",
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
        "accuracy_sample_count_override",
        "target_qps",
        "print_timestamps",
        "accuracy_log_rng_seed",
        "accuracy_log_sampling_target",
    }
)
# Read from LoadGen's embedded configuration alone, so a value given here has no effect.
EMBEDDED_KEYS = frozenset({"qsl_rng_seed", "sample_index_rng_seed", "schedule_rng_seed"})


def read_user_conf(path: Path) -> dict[str, str]:
    """Parse `model.scenario.key = value` lines.

    Raises UsageError naming the line for whatever LoadGen would ignore or misread: an unknown
    key or scenario, missing spaces around "=", a value that is no number, a seed.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"Cannot read --user-conf {path}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"--user-conf {path} is not a text file.") from error
    settings = {}
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split("#", maxsplit=1)[0].split()
        if words:
            settings[words[0]] = _value(words, f"{path}, line {number}")
    return settings


def _value(words: list[str], where: str) -> str:
    if len(words) != 3 or words[1] != "=":
        raise UsageError(
            f'{where}: "{" ".join(words)}" is not "model.scenario.key = value" with spaces around '
            f'the "="; LoadGen would not read it.'
        )
    _check_key(words[0], where)
    try:
        float(words[2])
    except ValueError:
        raise UsageError(f'{where}: "{words[2]}" is not a number.') from None
    return words[2]


def _check_key(name: str, where: str) -> None:
    parts = name.split(".")
    if len(parts) != 3:
        raise UsageError(f'{where}: "{name}" is not of the form model.scenario.key.')
    _, scenario, key = parts
    if scenario not in (*SCENARIOS, "*"):
        raise UsageError(
            f'{where}: unknown scenario "{scenario}"; LoadGen knows {", ".join(SCENARIOS)} and *.'
        )
    if key in EMBEDDED_KEYS:
        raise UsageError(f"{where}: LoadGen takes {key} from its own rules only; remove the line.")
    if key not in KNOWN_KEYS:
        near = difflib.get_close_matches(key, KNOWN_KEYS, n=1)
        hint = f' Did you mean "{near[0]}"?' if near else ""
        raise UsageError(f'{where}: LoadGen knows no key "{key}".{hint}')
