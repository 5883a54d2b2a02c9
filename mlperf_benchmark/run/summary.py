"""The short table on the terminal."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from backend import BackendInfo
from mlperf_benchmark.core.preprocessing import CustomPreprocessing
from mlperf_benchmark.core.terminal import plain, say, warn
from mlperf_benchmark.run.result import INVALID, ColdStart, Memory, Result

MB = 1e6
VALIDITY = "Validity"


def print_summary(result: Result, path: str, console: Console) -> None:
    """Print the figures, then whatever is doubtful about them."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column()
    for name, value in _rows(result):
        table.add_row(name, _cell(name, value))
    console.print(table, soft_wrap=True)
    for reason in result.invalid_reasons:
        say(console, reason, INVALID, "bold red")
    for warning in result.warnings:
        warn(console, warning)
    say(console, f"Result: {path}")


def _cell(name: str, value: str) -> Text:
    if name != VALIDITY:
        return plain(value)
    return plain(value, "red" if value == INVALID else "green")


def _rows(result: Result) -> list[tuple[str, str]]:
    rows = [("Scenario", f"{result.scenario}, {result.mode}"), ("Rules", _rules(result))]
    if result.validity is not None:
        rows.append((VALIDITY, result.validity))
    if result.model is not None:
        rows.append(("Model", f"{result.model.path} ({result.model.bytes / MB:.1f} MB)"))
    backend = result.backend
    rows.append(
        (
            "Backend",
            # OpenVINO's version goes on with its build and commit.
            f"{backend.name} {backend.version.partition('-')[0]}, "
            f"{backend.executed_precision}, " + _parallel(backend),
        )
    )
    if backend.convolutions:
        rows.append(("Convolutions", backend.convolutions))
    rows.append(("Samples", f"{result.dataset.count} of {result.dataset.name}"))
    if result.dataset.preprocessing is not None:
        rows.append(("Preprocessing", _preprocessing(result.dataset.preprocessing)))
    rows.extend(_performance(result))
    if result.padded_images:
        rows.append(("Padding", f"{result.padded_images} images, their answers thrown away"))
    rows.append(("Top-1", _accuracy(result)))
    if result.cold_start is not None:
        rows.append(("Cold start", _cold_start(result.cold_start)))
    if result.memory is not None:
        rows.append(("Memory", _memory(result.memory)))
    return rows


def _preprocessing(preprocessing: CustomPreprocessing) -> str:
    return f"{preprocessing.steps} (from {preprocessing.source})"


def _rules(result: Result) -> str:
    differences = "; ".join(result.rule_differences)
    return result.rules + (f" ({differences})" if differences else "")


def _performance(result: Result) -> list[tuple[str, str]]:
    latency = result.latency_ms
    if latency is None or result.samples_per_second is None:
        return []
    rows = [("Throughput", f"{result.samples_per_second:.2f} samples/s")]
    # In Offline LoadGen takes latencies from the start of its one query: no figure for a user.
    if result.scenario != "Offline":
        what = "Query latency" if result.scenario == "MultiStream" else "Latency"
        figures = ", ".join(f"{name} {latency[name]:.3f}" for name in ("p50", "p90", "p99"))
        rows.append((what, f"{figures}, mean {latency['mean']:.3f} ms"))
    rows.append(("Queries", str(result.queries)))
    return rows


def _accuracy(result: Result) -> str:
    if result.accuracy is None:
        return "not measured (add --accuracy)" if result.mode == "performance" else "no claim"
    accuracy = result.accuracy
    return f"{accuracy.top1:.2f} % ({accuracy.good}/{accuracy.total})"


def _cold_start(start: ColdStart) -> str:
    parts = {"read": start.read_seconds, "compile": start.compile_seconds}
    if start.from_model_cache:
        parts = {"read": start.read_seconds, "from the model cache": start.compile_seconds}
    parts["inference"] = start.first_inference_seconds
    known = ", ".join(f"{name} {value:.2f}" for name, value in parts.items() if value is not None)
    return f"{start.first_answer_seconds:.2f} s to the first answer ({known})"


def _memory(memory: Memory) -> str:
    return f"{memory.model_bytes / MB:.0f} MB by the model, {memory.peak_bytes / MB:.0f} MB at most"


def _parallel(backend: BackendInfo) -> str:
    """Threads and streams of each node, as far as they are known."""
    counted = [
        _counted(number, what)
        for number, what in ((backend.threads, "thread"), (backend.streams, "stream"))
        if number
    ]
    if backend.nodes:
        counted.insert(0, f"on {_counted(len(backend.nodes), 'node')}")
    return ", ".join(counted)


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
