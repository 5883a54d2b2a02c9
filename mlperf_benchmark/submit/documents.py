"""The documents of a tree, generated from the runs."""

from collections.abc import Mapping, Sequence

from mlperf_benchmark.core.text import printable
from mlperf_benchmark.run.result import Model
from mlperf_benchmark.submit.finished_run import FinishedRun
from mlperf_benchmark.submit.rules import ACCURACY, MIN_DURATION_MS, MIN_OFFLINE_SAMPLES

REHEARSAL = "REHEARSAL"
REHEARSAL_NOTE = (
    f"{REHEARSAL}: runs shorter than MLPerf's rules ask for, or a part of the scenarios; not a "
    "submission."
)
REHEARSAL_FILE = f"{REHEARSAL}.md"


def is_short(run: FinishedRun) -> bool:
    """Whether a performance run is shorter than the rules ask for."""
    if run.kind == ACCURACY:
        return False
    if int(run.log.effective("min_duration_ms")) < MIN_DURATION_MS:
        return True
    samples = int(run.log.effective("samples_per_query"))
    return run.scenario == "Offline" and samples < MIN_OFFLINE_SAMPLES


def framework(run: FinishedRun) -> str:
    """The runtime and the harness."""
    backend = run.result.backend
    version = printable(backend.version.partition("-")[0])
    return f"{backend.name} {version}, {run.result.product}"


def user_conf(run: FinishedRun) -> str:
    """What a user.conf would have said, from the settings that LoadGen says it used."""
    name, rate = run.result.config.model_name, float(run.log.effective("target_qps"))
    key, value = ("target_qps", rate)
    if run.scenario in ("SingleStream", "MultiStream"):
        key, value = ("target_latency", 1000 / rate)
    return f"# As LoadGen was set up.\n{name}.{run.scenario}.{key} = {value:.6g}\n"


def scenario_readme(
    benchmark: str,
    runs: Sequence[FinishedRun],
    facts: Mapping[str, str],
    rehearsal: bool,
    different_images: int,
) -> str:
    """README.md of one scenario: what was run, how, and what came out."""
    first = runs[0].result
    dataset, backend = first.dataset, first.backend
    lines = [f"# {benchmark}, {first.scenario}", ""]
    if rehearsal:
        lines += [REHEARSAL_NOTE, ""]
    lines += [
        f"- Model: {_model(first.model)}",
        *(f"- {name.replace('_', ' ')}: {value}" for name, value in facts.items()),
        f"- Data set: {dataset.count} samples of {dataset.name}, "
        f"{different_images} different images, list sha256 {dataset.list_sha256 or 'none'}",
        f"- Runtime: {framework(runs[0])}; computes in {printable(backend.executed_precision)}, "
        f"{backend.threads} threads, {backend.streams} streams",
        f"- LoadGen {first.loadgen.version}",
        "",
        "| run | made | verdict | figures | rules |",
        "| --- | --- | --- | --- | --- |",
        *(_row(run) for run in runs),
        "",
        "## Commands",
        "",
        "```sh",
        *(_command(run) for run in runs),
        "```",
    ]
    return "\n".join(lines) + "\n"


def source_readme(runs: Sequence[FinishedRun]) -> str:
    """README.md of the folder for source code."""
    first = runs[0].result
    lines = [
        f"# {first.product}",
        "",
        "The runs were made with this harness; each result names its command line.",
        "",
        "| package | version |",
        "| --- | --- |",
        *(f"| {name} | {number} |" for name, number in first.system.packages.items()),
    ]
    return "\n".join(lines) + "\n"


def _model(model: Model | None) -> str:
    return "none" if model is None else f"{model.bytes} bytes, sha256 {model.sha256}"


def _row(run: FinishedRun) -> str:
    result = run.result
    if run.kind == ACCURACY:
        accuracy = result.accuracy
        figures = (
            f"top-1 {accuracy.top1:.3f} % ({accuracy.good}/{accuracy.total})"
            if accuracy
            else "no accuracy is claimed: the weights are random"
        )
        return f"| {run.kind} | {result.created} | finished | {figures} | {result.rules} |"
    timing = result.timing
    latency = timing.latency_ms
    figures = f"{timing.samples_per_second:.2f} samples/s"
    if run.scenario != "Offline":
        figures += f"; p50 {latency['p50']:.3f}, p90 {latency['p90']:.3f} ms"
        figures += f", p99 {latency['p99']:.3f} ms"
    differences = "; ".join(result.rule_differences)
    rules = result.rules + (f": {differences}" if differences else "")
    return f"| {run.kind} | {result.created} | {timing.validity} | {figures} | {rules} |"


def _command(run: FinishedRun) -> str:
    # Folders of the submitter's machine mean nothing to others.
    return " ".join(word.rpartition("/")[2] or word for word in run.result.command)
