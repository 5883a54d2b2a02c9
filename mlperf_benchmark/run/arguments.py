"""Turns options back into the words of a command line."""

from collections.abc import Collection, Mapping, Sequence

from mlperf_benchmark.core.parser import flag


def to_arguments(options: Mapping[str, object]) -> tuple[str, ...]:
    """As `mlperf_benchmark.run.options.parse` takes them. None and False mean: not given."""
    words: list[str] = []
    for name, value in options.items():
        if value is None or value is False:
            continue
        words.append(flag(name))
        if isinstance(value, tuple):
            words.append(",".join(map(str, value)))
        elif value is not True:
            words.append(str(value))
    return tuple(words)


def without(arguments: Sequence[str], names: Collection[str]) -> list[str]:
    """`arguments` less the options of these names (with dashes), which all take a value."""
    kept: list[str] = []
    words = iter(arguments)
    for word in words:
        if word.startswith("--") and word.removeprefix("--") in names:
            next(words)
        else:
            kept.append(word)
    return kept
