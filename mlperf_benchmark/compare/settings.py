"""In what settings the runs of two comparisons differ, apart from where their files are."""

from collections.abc import Iterator, Mapping

from mlperf_benchmark.compare.described import description
from mlperf_benchmark.compare.record import Comparison, Row

# Of a row's subject, by part of it, with the words for them.
FACTS: Mapping[str, Mapping[str, str]] = {
    "backend": {
        "name": "backend",
        "version": "version",
        "executed_precision": "executed precision",
        "threads": "threads",
        "streams": "streams",
        "max_batch_size": "batch",
    },
    "dataset": {"name": "data set", "count": "images"},
}
PLACES = frozenset({"--model", "--cache-dir", "--dataset-path", "--dataset-list"})
NONE = "none"


def differing_settings(current: Comparison, accepted: Comparison) -> list[str]:
    """A line for each group of rows that differ in the same way."""
    before = {row.key: row for row in accepted.rows}
    groups: dict[str, list[str]] = {}
    for row in current.rows:
        if row.key in before:
            text = "; ".join(_differences(_settings(row), _settings(before[row.key])))
            groups.setdefault(text, []).append(f"{row.name}, {row.scenario}")
    return [
        f"other settings, now and before, of {' / '.join(rows)}: {text}."
        for text, rows in groups.items()
        if text
    ]


def _differences(now: Mapping[str, str], before: Mapping[str, str]) -> Iterator[str]:
    for name in dict.fromkeys((*now, *before)):
        one, two = now.get(name, NONE), before.get(name, NONE)
        # What an option did is told by the fact of that name.
        if one != two and not (name.startswith("--") and name.removeprefix("--") in now):
            yield f"{name} {one} and {two}"


def _settings(row: Row) -> dict[str, str]:
    return dict(_facts(row)) | dict(_options(row))


def _facts(row: Row) -> Iterator[tuple[str, str]]:
    if row.subject is None:
        return
    parts = {"backend": row.subject.backend, "dataset": row.subject.dataset}
    for part, names in FACTS.items():
        for key, word in names.items():
            yield word, str(parts[part].get(key, NONE))
    if description(row):
        yield "model's precision", str(description(row).get("precision", NONE))


def _options(row: Row) -> Iterator[tuple[str, str]]:
    """Options of main.py with their values; "given" for those that take none."""
    words = [*row.command, "--"]
    for place, word in enumerate(words[:-1]):
        if word.startswith("--") and word not in PLACES:
            value = words[place + 1]
            yield word, "given" if value.startswith("--") else value
