"""Every kind of spoiled tree, by the name under which the checkers' verdict is recorded."""

from collections.abc import Mapping
from pathlib import Path

from tests.submit.spoiling import (
    ACCURACY,
    PERFORMANCE,
    SYSTEM,
    SYSTEM_FILE,
    Spoiler,
    alike_accuracy,
    broken_link,
    copied,
    each,
    empty_folder,
    field,
    large_file,
    line_added,
    logged,
    older_layout,
    over_network,
    removed,
    renamed_model,
    renamed_scenarios,
    renamed_submitter,
    replaced,
    server,
    shortened_link,
    unlike_answers,
    written,
)


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
