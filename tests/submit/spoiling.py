"""Ways to spoil a tree, each a function of the submitter's folder."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlperf_benchmark.submit.system_fields import NETWORK_FIELDS
from tests.submit.doctored_runs import read_detail, write_detail

SYSTEM = "Two-core_machine"
SYSTEM_FILE = f"systems/{SYSTEM}.json"
PERFORMANCE, ACCURACY = "performance/run_1", "accuracy"
Spoiler = Callable[[Path], None]


def scenario(submitter: Path, name: str = "SingleStream") -> Path:
    (model,) = (submitter / "results" / SYSTEM).iterdir()
    return model / name


def logged(name: str, run: str, errors: tuple[str, ...] = (), **values: Any) -> Spoiler:
    """Change values in a detail log."""

    def spoil(submitter: Path) -> None:
        path = scenario(submitter, name) / run / "mlperf_log_detail.txt"
        counted = {"num_errors": len(errors)} if "num_errors" in read_detail(path) else {}
        write_detail(path, read_detail(path) | counted | values, errors)

    return spoil


def field(file: str, name: str, value: Any = None) -> Spoiler:
    """Set a field of a JSON file, or remove it."""

    def spoil(submitter: Path) -> None:
        path = submitter / file if file.startswith("systems") else scenario(submitter) / file
        content = json.loads(path.read_text())
        content.pop(name, None)
        path.write_text(json.dumps(content if value is None else content | {name: value}))

    return spoil


def removed(path: str) -> Spoiler:
    """Remove a file or folder of a scenario; "//" starts a path in the submitter's folder."""

    def spoil(submitter: Path) -> None:
        target = _target(submitter, path)
        shutil.rmtree(target) if target.is_dir() else target.unlink()

    return spoil


def written(path: str, text: str = "x\n") -> Spoiler:
    """Write a file, likewise."""

    def spoil(submitter: Path) -> None:
        target = _target(submitter, path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    return spoil


def copied(source: str, target: str) -> Spoiler:
    """Copy a scenario or a part of one."""

    def spoil(submitter: Path) -> None:
        model = scenario(submitter).parent
        shutil.copytree(model / source, model / target, dirs_exist_ok=True)

    return spoil


def renamed_model(name: str) -> Spoiler:
    def spoil(submitter: Path) -> None:
        model = scenario(submitter).parent
        model.rename(model.with_name(name))

    return spoil


def renamed_scenarios(change: Callable[[str], str]) -> Spoiler:
    def spoil(submitter: Path) -> None:
        for folder in list(scenario(submitter).parent.iterdir()):
            # By way of another name, for file systems that ignore case.
            folder.rename(folder.with_name("moved")).rename(folder.with_name(change(folder.name)))

    return spoil


def renamed_submitter(name: str) -> Spoiler:
    def spoil(submitter: Path) -> None:
        field(SYSTEM_FILE, "submitter", name)(submitter)
        submitter.rename(submitter.with_name(name))

    return spoil


def line_added(line: str) -> Spoiler:
    """Add a line to the detail log of the performance run."""

    def spoil(submitter: Path) -> None:
        path = scenario(submitter) / PERFORMANCE / "mlperf_log_detail.txt"
        path.write_text(f"{path.read_text()}{line}\n")

    return spoil


def each(*spoilers: Spoiler) -> Spoiler:
    """One after the other."""

    def spoil(submitter: Path) -> None:
        for one in spoilers:
            one(submitter)

    return spoil


def server(submitter: Path) -> None:
    """Add a Server scenario as good as the others."""
    copied("SingleStream", "Server")(submitter)
    for path in (scenario(submitter, "Server")).rglob("mlperf_log_detail.txt"):
        values = {
            "effective_scenario": "Server",
            "effective_target_latency_ns": 15_000_000,
            "result_completed_samples_per_sec": 50.0,
        }
        write_detail(path, read_detail(path) | values)


def over_network(submitter: Path, said: str = "true", sut: str = "Network SUT: node1") -> None:
    """Describe a system over a network, as the open division may have it."""
    path = submitter / "systems" / f"{SYSTEM}.json"
    fields = {"is_network": said} | dict.fromkeys(NETWORK_FIELDS, "Ethernet")
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))
    for log in submitter.rglob("mlperf_log_detail.txt"):
        write_detail(log, read_detail(log) | {"sut_name": sut})


def older_layout(submitter: Path) -> None:
    """Move the documents and the compliance tests to where they were before v6.0."""
    for folder in list(scenario(submitter).parent.iterdir()):
        for name in ("measurements.json", "user.conf", "README.md", "TEST01", "TEST04"):
            kind = "compliance" if name.startswith("TEST") else "measurements"
            target = submitter / kind / SYSTEM / folder.parent.name / folder.name
            if (folder / name).exists():
                target.mkdir(parents=True, exist_ok=True)
                (folder / name).rename(target / name)
    (submitter / "src").rename(submitter / "code")


def shortened_link(submitter: Path) -> None:
    (submitter / "src" / "link.md").symlink_to("resnet50/README.md")


def replaced(path: str, old: str, new: str) -> Spoiler:
    """Replace text in a file of the scenario."""

    def spoil(submitter: Path) -> None:
        target = _target(submitter, path)
        text = target.read_text()
        assert old in text
        target.write_text(text.replace(old, new))

    return spoil


def unlike_answers(submitter: Path) -> None:
    """TEST01 answered otherwise, and by that more accurately than the accuracy run."""
    folder = scenario(submitter) / "TEST01"
    verify = folder / "verify_accuracy.txt"
    verify.write_text(verify.read_text().replace("TEST PASS", "TEST FAIL"))
    (folder / "accuracy" / "baseline_accuracy.txt").write_text(
        "accuracy=76.000%, good=3113, total=4096\n"
    )
    (folder / "accuracy" / "compliance_accuracy.txt").write_text(
        "accuracy=79.000%, good=3236, total=4096\n"
    )


def alike_accuracy(submitter: Path) -> None:
    """As above, with accuracies that are near each other: no fault."""
    unlike_answers(submitter)
    (scenario(submitter) / "TEST01" / "accuracy" / "compliance_accuracy.txt").write_text(
        "accuracy=76.100%, good=3117, total=4096\n"
    )


def empty_folder(submitter: Path) -> None:
    (submitter / "documentation" / "more").mkdir()


def large_file(submitter: Path) -> None:
    with (submitter / "src" / "weights.bin").open("wb") as file:
        file.truncate(51 * 1024 * 1024)


def broken_link(submitter: Path) -> None:
    (submitter / "src" / "link").symlink_to("nowhere")


def _target(submitter: Path, path: str) -> Path:
    return submitter / path[2:] if path.startswith("//") else scenario(submitter) / path
