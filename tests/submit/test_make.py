"""A rehearsal of a submission with the sample model, from nothing to a checked tree."""

import hashlib
import json
import re
import shutil
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mlperf_benchmark.loadgen.detail_log import read_detail_log
from mlperf_benchmark.models.prepare.sample import Sample
from tests.command import ROOT, TIMEOUT, command, environment
from tests.submit.trees import SUBMISSION, submit, write_system

SCENARIO = "SingleStream"
CUT = "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"
MISTYPED = "expected int | null, got str - at $.queries"
KINDS = ("performance", "accuracy", "TEST01", "TEST04")
# Faults that a rehearsal on 20 images must have.
INHERENT = (
    "this tree is a rehearsal",
    "MultiStream: missing",
    "Offline: missing",
    "milliseconds at least instead of 600000",
    "20 samples in memory instead of 1024",
    "20 samples instead of 50000",
    "Max test duration reached",
    # A second is too short to compare speeds on a machine that others use, too.
    "the performance comparison did not pass",
    "the result is not VALID",
    "early stopping is not satisfied",
)


@dataclass(frozen=True)
class Made:
    """The finished command and what it left."""

    arguments: tuple[object, ...]
    output: Path
    stdout: str
    status: int

    @property
    def scenario(self) -> Path:
        return self.output / "tree/closed/Example/results/Two-core_machine/resnet50" / SCENARIO

    @property
    def submitter(self) -> Path:
        return self.output / "tree/closed/Example"

    def result(self, kind: str) -> dict[str, Any]:
        path = self.output / "runs" / SCENARIO / kind / "results.json"
        content: dict[str, Any] = json.loads(path.read_text())
        return content


@pytest.fixture(scope="module")
def made(sample_options: tuple[object, ...], tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("rehearsal")
    arguments = (
        *sample_options,
        *("--division", "closed", "--rehearsal", "--scenarios", SCENARIO, "--time", "1.5"),
        *("--system", write_system(folder), "--output", folder / "output"),
    )
    done = submit(*arguments)
    assert done.returncode == 3, done.stdout + done.stderr
    return Made(arguments, folder / "output", done.stdout, done.returncode)


def test_plan_names_every_run_with_its_duration(made: Made) -> None:
    for kind in KINDS:
        assert re.search(rf"{SCENARIO} {kind} +about \d+ s", made.stdout)
    assert re.search(r"4 runs to make, about \d+ s\.", made.stdout)


def test_findings_are_those_of_a_rehearsal(made: Made) -> None:
    _, _, checked = made.stdout.partition("Keep the runs")
    found = [line for line in checked.splitlines() if re.match(r"(closed/|REHEARSAL)", line)]
    assert found
    for line in found:
        assert any(fault in line for fault in INHERENT), line


def test_rehearsal_is_marked_all_over_the_tree(made: Made) -> None:
    assert (made.output / "tree" / "REHEARSAL.md").is_file()
    assert "REHEARSAL" in (made.scenario / "README.md").read_text()
    system = json.loads((made.submitter / "systems" / "Two-core_machine.json").read_text())
    assert "REHEARSAL" in system["sw_notes"]


def test_accuracy_is_the_runs_and_its_log_is_kept(made: Made) -> None:
    accuracy = made.result("accuracy")["accuracy"]
    log = made.output / "runs" / SCENARIO / "accuracy" / "mlperf_log_accuracy.json"
    assert (made.scenario / "accuracy" / "accuracy.txt").read_text().splitlines() == [
        f"accuracy={accuracy['top1']:.3f}%, good={accuracy['good']}, total=20",
        "",
        f"hash={hashlib.sha256(log.read_bytes()).hexdigest()}",
    ]


def test_compliance_runs_have_their_settings(made: Made) -> None:
    runs = made.scenario
    first = read_detail_log(runs / "TEST01" / "performance" / "run_1")
    fourth = read_detail_log(runs / "TEST04" / "performance" / "run_1")
    assert first.effective("accuracy_log_sampling_target") == 4096
    assert fourth.effective("performance_issue_same") is True
    assert "TEST PASS" in (runs / "TEST01" / "verify_accuracy.txt").read_text().splitlines()


def test_documents_come_from_the_model_and_the_runs(made: Made) -> None:
    measurements = json.loads((made.scenario / "measurements.json").read_text())
    assert measurements["weight_data_types"] == "fp32"
    assert measurements["retraining"] == "No"
    assert "efficientnet-lite0" in measurements["starting_weights_filename"]
    assert "not quantized" in (made.submitter / "documentation" / "calibration.md").read_text()
    readme = (made.scenario / "README.md").read_text()
    assert made.result("performance")["model"]["sha256"] in readme
    assert "20 samples of imagenet_efficientnet_lite, 20 different images" in readme
    assert str(ROOT) not in readme


def test_probed_target_reaches_loadgen(made: Made) -> None:
    conf = (made.scenario / "user.conf").read_text()
    milliseconds = float(re.findall(r"resnet50\.SingleStream\.target_latency = (\S+)", conf)[0])
    expected = made.result("performance")["loadgen"]["settings"]["target_qps"]
    assert 1000 / milliseconds == pytest.approx(expected, rel=1e-3)


def test_second_time_makes_no_valid_run_again(made: Made) -> None:
    path = made.output / "runs" / SCENARIO / "accuracy" / "results.json"
    before = path.stat().st_mtime_ns
    done = submit(*made.arguments, "--plan")
    assert done.returncode == 0
    assert re.search(rf"{SCENARIO} accuracy +finished", done.stdout)
    assert path.stat().st_mtime_ns == before


def test_plan_only_prints(sample: Sample, cache_dir: Path, tmp_path: Path) -> None:
    output, system = tmp_path / "output", tmp_path / "system.toml"
    arguments = (
        *("--profile", "null", "--dataset", "imagenet_efficientnet_lite", "--division", "closed"),
        *("--dataset-path", sample.images, "--cache-dir", cache_dir, "--rehearsal"),
        *("--scenarios", "SingleStream", "--system", system, "--output", output, "--plan"),
    )
    planned = submit(*arguments)
    assert (planned.returncode, planned.stderr) == (0, "")
    assert re.search(r"SingleStream performance +at least 10 min", planned.stdout)
    assert re.search(r"SingleStream accuracy +one pass over the data set", planned.stdout)
    assert "4 runs to make; how long they take is known after" in planned.stdout
    assert f"{system} is missing" in planned.stdout
    assert not list(tmp_path.iterdir())
    # An incomplete file is named after the plan, and left as it is.
    system.write_text('submitter = "Me"\n')
    planned = submit(*arguments)
    assert planned.returncode == 2
    assert "4 runs to make" in planned.stdout
    assert "fill in system_name" in planned.stderr
    assert list(tmp_path.iterdir()) == [system]


def test_changed_target_makes_only_its_scenario_again(made: Made) -> None:
    conf = made.output / "user.conf"
    text = conf.read_text()
    try:
        conf.write_text(f"{text}resnet50.Offline.target_qps = 100\n")
        planned = submit(*made.arguments, "--plan").stdout
        assert re.search(r"SingleStream accuracy +finished", planned)
        conf.write_text(text.replace("target_latency = ", "target_latency = 1"))
        assert "finished" not in submit(*made.arguments, "--plan").stdout
    finally:
        conf.write_text(text)


def test_runs_of_something_else_are_not_mixed(made: Made) -> None:
    done = submit(*made.arguments, "--precision", "bf16")
    assert done.returncode == 2
    assert "precision f32 instead of bf16" in done.stderr


def test_runs_on_other_images_are_not_mixed(made: Made) -> None:
    file = made.output / "runs" / SCENARIO / "accuracy" / "results.json"
    text = file.read_text()
    known = made.result("accuracy")["dataset"]["fingerprint"]
    try:
        file.write_text(text.replace(known, "0" * len(known)))
        done = submit(*made.arguments, "--plan")
    finally:
        file.write_text(text)
    assert done.returncode == 2
    assert "the images or their labels have changed" in done.stderr


def test_assembled_runs_give_the_same_tree(made: Made, tmp_path: Path) -> None:
    done = submit(
        *("--runs", made.output / "runs", "--division", "closed", "--rehearsal"),
        *("--scenarios", SCENARIO, "--system", write_system(tmp_path), "--output", tmp_path / "o"),
    )
    assert done.returncode == 3, done.stderr
    trees = (made.output / "tree", tmp_path / "o" / "tree")
    first, second = (
        {_relative(file, tree): file.read_bytes() for file in _files(tree)} for tree in trees
    )
    assert first == second


def test_what_is_no_run_of_one_machine_is_left_out(made: Made, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    shutil.copytree(made.output / "runs", runs)
    performance = runs / SCENARIO / "performance"
    comparison = runs / "comparison"
    shutil.copytree(performance, comparison / "rounds" / "0001" / "fp32")
    (comparison / "plan.json").write_text("{}")
    (comparison / "results.json").write_text('{"kind": "comparison", "rows": []}')
    (runs / "copied").mkdir()
    (runs / "copied" / "results.json").write_text('{"kind": "comparison", "rows": []}')
    served = runs / "served"
    shutil.copytree(performance, served)
    result = json.loads((served / "results.json").read_text())
    texts = ("address", "name", "engine", "version", "model", "model_version")
    result["backend"]["nodes"] = [dict.fromkeys(texts, "node1") | {"runtime": None}]
    (served / "results.json").write_text(json.dumps(result))
    for name, text in (("list", "[]"), ("cut", "{"), ("old", "{}")):
        (runs / name).mkdir()
        (runs / name / "results.json").write_text(text)
    damaged = runs / "damaged"
    shutil.copytree(performance, damaged)
    (damaged / "results.json").write_text(json.dumps(result | {"queries": "many"}))
    older = runs / "older"
    shutil.copytree(performance, older)
    (older / "results.json").write_text(json.dumps(result | {"backend": {}, "schema_version": 0}))
    done = submit(
        *("--runs", runs, "--division", "closed", "--rehearsal", "--scenarios", SCENARIO),
        *("--system", write_system(tmp_path), "--output", tmp_path / "o"),
    )
    assert (done.returncode, done.stderr) == (3, "")
    said = [line for line in done.stdout.splitlines() if line.startswith("Left out: ")]
    assert said == [
        f"Left out: {comparison} is a comparison.",
        f"Left out: {runs}/copied/results.json belongs to a comparison.",
        f"Left out: {runs}/cut/results.json is not a result of main.py: {CUT}.",
        f"Left out: {runs}/damaged/results.json is not a result of main.py: {MISTYPED}.",
        f"Left out: {runs}/list/results.json is not a result of main.py: expected object.",
        f"Left out: {runs}/old/results.json is not a result of main.py: it has no schema_version.",
        f"Left out: {older}/results.json has schema 0 instead of 1: run it again.",
        f"Left out: {served} is a run on served nodes, and a tree is of one machine's.",
    ]
    assert (tmp_path / "o" / "tree" / "closed").is_dir()


def test_missing_folder_of_runs_is_named(tmp_path: Path) -> None:
    done = submit("--runs", tmp_path / "none", "--system", write_system(tmp_path))
    assert done.returncode == 2
    assert f"No folder {tmp_path}/none" in done.stderr


def test_short_runs_are_refused_for_closed_without_rehearsal(made: Made, tmp_path: Path) -> None:
    done = submit(
        *("--runs", made.output / "runs", "--division", "closed", "--scenarios", SCENARIO),
        *("--system", write_system(tmp_path), "--output", tmp_path / "o"),
    )
    assert done.returncode == 2
    assert not (tmp_path / "o").exists()


def test_interrupted_submission_goes_on(sample: Sample, cache_dir: Path, tmp_path: Path) -> None:
    output = tmp_path / "output"
    arguments = (
        *("--profile", "null", "--dataset", "imagenet_efficientnet_lite"),
        *("--dataset-path", sample.images, "--cache-dir", cache_dir),
        *("--scenarios", "SingleStream", "--time", "1", "--system", write_system(tmp_path)),
        *("--output", output),
    )
    process = subprocess.Popen(
        command(arguments, SUBMISSION),
        cwd=ROOT,
        env=environment() | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("Run 2 of 2"):
            process.send_signal(signal.SIGINT)
            break
    _, stderr = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 130
    assert "Interrupted; finished runs are kept" in stderr
    assert not (output / "tree").exists()
    performance = output / "runs" / SCENARIO / "performance" / "results.json"
    before = performance.stat().st_mtime_ns

    done = submit(*arguments)
    assert done.returncode == 3, done.stderr
    assert "Run 1 of 1: SingleStream accuracy" in done.stdout
    assert performance.stat().st_mtime_ns == before
    mapping = output / "tree" / "open" / "Example" / "model_mapping.json"
    assert json.loads(mapping.read_text()) == {"null": "resnet"}


def _files(tree: Path) -> list[Path]:
    # README.md names the order of the commands and the folder of user.conf is another one.
    return [file for file in sorted(tree.rglob("*")) if file.is_file()]


def _relative(file: Path, tree: Path) -> str:
    return str(file.relative_to(tree))


def test_calibration_names_what_pruning_estimated_anew(made_trees: Mapping[str, Path]) -> None:
    """Of a pruned and quantized model."""
    document = made_trees["open"] / "open" / "Example" / "documentation" / "calibration.md"
    text = document.read_text()
    assert "| calibration: count | 500 |" in text
    assert "Batch-norm statistics were estimated anew" in text
    assert "| path | own |" in text
