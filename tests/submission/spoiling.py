"""Ways to spoil a tree, each a function of the submitter's folder."""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mlperf_benchmark.submit.system_fields import NETWORK_FIELDS
from tests.submission.doctored_runs import read_detail, write_detail

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


def _nothing(_submitter: Path) -> None:
    """A tree as it was made."""


ANSWERS = "mlperf_log_accuracy.json"
BOTH: Mapping[str, Spoiler] = {
    "as made": _nothing,
    "shorter than 600 s": logged("SingleStream", PERFORMANCE, effective_min_duration_ms=60_000),
    "at most 5 s": logged("SingleStream", PERFORMANCE, effective_max_duration_ms=5_000),
    "few samples in memory": logged(
        "SingleStream", PERFORMANCE, effective_performance_sample_count=20
    ),
    "seeds of another round": logged(
        "SingleStream", PERFORMANCE, effective_qsl_rng_seed=2465351861681999779
    ),
    "INVALID result": logged("Offline", PERFORMANCE, result_validity="INVALID"),
    "LoadGen error": logged("Offline", PERFORMANCE, errors=("Ran out of generated queries",)),
    "LoadGen error in accuracy": logged("Offline", ACCURACY, errors=("A sample was lost",)),
    "early stopping not met": logged("MultiStream", PERFORMANCE, early_stopping_met=False),
    "few Offline samples": logged("Offline", PERFORMANCE, effective_samples_per_query=1000),
    "part of the data set": logged(
        "SingleStream",
        ACCURACY,
        qsl_reported_total_count=500,
        effective_accuracy_sample_count=500,
    ),
    "run of another scenario": copied("SingleStream/performance", "Offline/performance"),
    "log cut short": written(f"{PERFORMANCE}/mlperf_log_detail.txt", ':::MLLOG {"key": "loadg'),
    "detail log missing": removed(f"{PERFORMANCE}/mlperf_log_detail.txt"),
    "summary missing": removed(f"{PERFORMANCE}/mlperf_log_summary.txt"),
    "extra file beside the logs": written(f"{PERFORMANCE}/notes.txt"),
    "performance run missing": removed("performance"),
    "accuracy run missing": removed("accuracy"),
    "accuracy.txt missing": removed("accuracy/accuracy.txt"),
    "no accuracy in accuracy.txt": replaced("accuracy/accuracy.txt", "accuracy=", "top1="),
    "no hash in accuracy.txt": replaced("accuracy/accuracy.txt", "hash=", "sum="),
    "accuracy log not shortened": written(f"accuracy/{ANSWERS}", "[]" + " " * 11_000),
    "accuracy log missing": removed(f"accuracy/{ANSWERS}"),
    "hidden file": written("//.DS_Store"),
    "name with a blank": written("//src/read me.md"),
    "compiled Python": written("//src/__pycache__/main.pyc"),
    "empty folder": empty_folder,
    "large file": large_file,
    "broken link": broken_link,
    "file at the root": written("//../../notes.txt"),
    "file in the division": written("//../notes.txt"),
    "unknown division": written("//../../other/README.md"),
    "no system description": removed(f"//systems/{SYSTEM}.json"),
    "system without results": written("//systems/another.json", "{}"),
    "system field missing": field(SYSTEM_FILE, "cooling"),
    "system field empty": field(SYSTEM_FILE, "host_networking", ""),
    "unknown status": field(SYSTEM_FILE, "status", "soon"),
    "unknown system type": field(SYSTEM_FILE, "system_type", "desktop"),
    "another submitter": field(SYSTEM_FILE, "submitter", "Somebody"),
    "another division": field(SYSTEM_FILE, "division", "network"),
    "measurements missing": removed("measurements.json"),
    "measurement field missing": field("measurements.json", "retraining"),
    "measurement field empty": field("measurements.json", "weight_data_types", ""),
    "user.conf empty": written("user.conf", ""),
    "user.conf missing": removed("user.conf"),
    "README missing": removed("README.md"),
    "no source folder": removed("//src"),
    "no calibration document": removed("//documentation"),
    "unknown model": renamed_model("mynet"),
    "scenario missing": removed("../MultiStream"),
    "Server": copied("Offline", "Server"),
    "marked as a rehearsal": written("//../../REHEARSAL.md"),
    "datacenter": field(SYSTEM_FILE, "system_type", "datacenter"),
    "datacenter and edge": field(SYSTEM_FILE, "system_type", "datacenter,edge"),
    "datacenter and edge with Server": each(
        server, field(SYSTEM_FILE, "system_type", "datacenter,edge")
    ),
    "edge and datacenter with Server": each(
        server, field(SYSTEM_FILE, "system_type", "edge,datacenter")
    ),
    "edge with Server": server,
    "division in capitals": replaced(f"//{SYSTEM_FILE}", '"division": "', '"division": "The '),
    "submitter with a blank": renamed_submitter("My Company"),
    "submitter with a dot": renamed_submitter(".Example"),
    "scenarios in lower case": renamed_scenarios(str.lower),
    "scenarios in capitals": renamed_scenarios(str.upper),
    "unknown scenario": copied("Offline", "Interactive"),
    "traces beside the accuracy log": each(
        written("accuracy/mlperf_log_trace.json"), written("accuracy/results.json")
    ),
    "notes beside the accuracy log": written("accuracy/notes.txt"),
    "accuracy in JSON": replaced("accuracy/accuracy.txt", "accuracy=", '{"accuracy": '),
    "mobilenet": renamed_model("mobilenet-v1-precision_int8-1.0-224"),
    "efficientnet": renamed_model("my-efficientnet"),
    "resnet50-v1.5": renamed_model("resnet50-v1.5"),
    "resnet": renamed_model("resnet"),
    "Resnet": renamed_model("Resnet"),
    "mapped to resnet50": each(
        renamed_model("mynet"), written("//model_mapping.json", '{"mynet": "resnet50"}')
    ),
    "mapped to another task": written("//model_mapping.json", '{"resnet50_int8": "bert-99"}'),
    "MultiStream from SingleStream": each(
        removed("../MultiStream"), copied("SingleStream", "MultiStream")
    ),
    "Offline from SingleStream": each(removed("../Offline"), copied("SingleStream", "Offline")),
    "Offline from MultiStream": each(removed("../Offline"), copied("MultiStream", "Offline")),
    "SingleStream from MultiStream": each(
        removed("../SingleStream"), copied("MultiStream", "SingleStream")
    ),
    "SingleStream from Offline": each(
        removed("../SingleStream"), copied("Offline", "SingleStream")
    ),
    "MultiStream from too few queries": each(
        removed("../MultiStream"),
        logged("SingleStream", PERFORMANCE, early_stopping_latency_ms=0),
        copied("SingleStream", "MultiStream"),
    ),
    "older layout": older_layout,
    "folders of an older layout left over": written("//measurements/README.md"),
    "power files": written("performance/power/client.json", "{}"),
    "power file without power": written(f"{PERFORMANCE}/spl.txt"),
    "line that is a list": line_added(":::MLLOG [1, 2]"),
    "line that is no JSON": line_added(":::MLLOG {"),
    "line without a value": line_added(':::MLLOG {"key": "a", "metadata": {}}'),
    "line without metadata": line_added(':::MLLOG {"key": "a", "value": 1, "metadata": null}'),
    "line that does not say whether it is an error": line_added(
        ':::MLLOG {"key": "a", "value": 1, "metadata": {}}'
    ),
    "second value for a key": line_added(
        ':::MLLOG {"key": "result_validity", "value": "INVALID", "metadata": {"is_error": false}}'
    ),
    "error that is not counted": line_added(
        ':::MLLOG {"key": "error_runtime", "value": "lost", "metadata": {"is_error": true}}'
    ),
    "seeds of another round in the accuracy run": logged(
        "SingleStream", ACCURACY, effective_qsl_rng_seed=2465351861681999779
    ),
    "line of something else first": replaced(
        f"{PERFORMANCE}/mlperf_log_detail.txt", ':::MLLOG {"key": "loadgen_version"', "x"
    ),
    "duration as a text": logged("SingleStream", PERFORMANCE, effective_min_duration_ms="600000"),
    "samples as a list": logged("Offline", PERFORMANCE, effective_samples_per_query=[1]),
    "no figure": logged("SingleStream", PERFORMANCE, early_stopping_latency_ss=None),
    "no Offline figure": logged("Offline", PERFORMANCE, result_samples_per_second="fast"),
    "system name as a number": field(SYSTEM_FILE, "system_name", 7),
    "notes as a list": field(SYSTEM_FILE, "hw_notes", ["a"]),
    "processors as a number": field(SYSTEM_FILE, "host_processors_per_node", 2),
    "system description as a list": written(f"//{SYSTEM_FILE}", "[]"),
    "status as a number": field(SYSTEM_FILE, "status", 1),
    "measurements as a list": written("measurements.json", "[]"),
    "is_network as a truth value": field(SYSTEM_FILE, "is_network", True),
    "is_network without its fields": field(SYSTEM_FILE, "is_network", "false"),
    "is_network empty": field(SYSTEM_FILE, "is_network", ""),
    "over a network": over_network,
    "over a network by another name": lambda submitter: over_network(submitter, sut="PyFastSUT"),
    "not over a network": lambda submitter: over_network(submitter, "false", "PyFastSUT"),
    "symbolic link": shortened_link,
    "performance run as accuracy run": each(
        copied("SingleStream/performance/run_1", "SingleStream/accuracy"),
        logged("SingleStream", ACCURACY, effective_test_mode="PerformanceOnly"),
    ),
    "accuracy of another scenario": copied("Offline/accuracy", "SingleStream/accuracy"),
    "performance run of one sample": logged(
        "SingleStream", PERFORMANCE, effective_performance_issue_same=True
    ),
}
CLOSED_ONLY: Mapping[str, Spoiler] = {
    "accuracy below the target": replaced("accuracy/accuracy.txt", "=80.000%", "=75.600%"),
    "TEST01 missing": removed("TEST01"),
    "TEST04 missing": removed("TEST04"),
    "TEST04 shorter than 600 s": logged(
        "SingleStream", f"TEST04/{PERFORMANCE}", effective_min_duration_ms=60_000
    ),
    "TEST04 INVALID": logged("Offline", f"TEST04/{PERFORMANCE}", result_validity="INVALID"),
    "TEST04 too fast": replaced("TEST04/verify_performance.txt", "TEST PASS", "TEST FAIL"),
    "TEST01 not compared": removed("TEST01/verify_accuracy.txt"),
    "TEST01 of unlike speed": replaced("TEST01/verify_performance.txt", "TEST PASS", "TEST FAIL"),
    "TEST01 without answers": removed(f"TEST01/accuracy/{ANSWERS}"),
    "TEST01 with unlike answers": unlike_answers,
    "TEST01 with unlike answers of like accuracy": alike_accuracy,
    "TEST01 without its settings": logged(
        "SingleStream", f"TEST01/{PERFORMANCE}", effective_accuracy_log_sampling_target=0
    ),
    "TEST04 without its settings": logged(
        "SingleStream", f"TEST04/{PERFORMANCE}", effective_performance_issue_same=False
    ),
    "TEST01 with the hash alone": written("TEST01/accuracy/accuracy.txt", f"hash={'0' * 64}\n"),
    "TEST01 without a hash": written("TEST01/accuracy/accuracy.txt"),
    "TEST01 log not shortened": written(f"TEST01/accuracy/{ANSWERS}", "[]" + " " * 11_000),
    "TEST01 without accuracy.txt": removed("TEST01/accuracy/accuracy.txt"),
    "traces beside TEST01's": each(
        written("TEST01/accuracy/mlperf_log_trace.json"),
        written(f"TEST01/{PERFORMANCE}/results.json"),
    ),
    "TEST04 with more words": replaced(
        "TEST04/verify_performance.txt", "TEST PASS", "Result: TEST PASS"
    ),
    "TEST01 with more words": replaced(
        "TEST01/verify_accuracy.txt", "TEST PASS", "Result: TEST PASS"
    ),
    "extra file in TEST04": written(f"TEST04/{PERFORMANCE}/notes.txt"),
}


def spoilers(division: str) -> Mapping[str, Spoiler]:
    """By kind of spoiling."""
    return {**BOTH, **CLOSED_ONLY} if division == "closed" else BOTH
