"""The file in which the submitter answers what the machine does not tell."""

import re
from pathlib import Path

import psutil
import pytest

from mlperf_benchmark.core.errors import UsageError
from mlperf_benchmark.submit.machine import machine_facts
from mlperf_benchmark.submit.rules import kinds_of_runs
from mlperf_benchmark.submit.system_fields import MAY_BE_EMPTY, SYSTEM_FIELDS
from mlperf_benchmark.submit.system_file import missing_answers, read_system_file, write_template
from tests.submit.doctored_runs import write_runs
from tests.submit.trees import SYSTEM, submit
from tests.synthetic_images import jpeg, write_folder

FACTS = {"host_processor_model_name": "A CPU", "host_memory_capacity": "8 GB"}


def written(folder: Path, text: str) -> Path:
    path = folder / "system.toml"
    path.write_text(text)
    return path


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(UsageError) as caught:
        read_system_file(written(folder, text))
    return str(caught.value)


def test_missing_file_becomes_a_template_before_any_run(tmp_path: Path) -> None:
    system, output = tmp_path / "new" / "system.toml", tmp_path / "output"
    images = write_folder(tmp_path / "images", {"one.JPEG": jpeg()})
    arguments = (
        *("--profile", "null", "--dataset", "imagenet", "--dataset-path", images),
        *("--system", system, "--output", output),
    )
    done = submit(*arguments)
    assert done.returncode == 2
    assert "was written as a template" in done.stderr
    again = submit(*arguments)
    assert again.returncode == 2
    for name in ("submitter", "system_name", "status", "cooling", "host_memory_configuration"):
        assert name in again.stderr
    assert not (output / "runs").exists()


def test_template_asks_for_what_is_missing_only(tmp_path: Path) -> None:
    path = tmp_path / "system.toml"
    write_template(path, FACTS, ["retraining"])
    missing = missing_answers(read_system_file(path), FACTS, ["retraining"])
    asked = [line.partition(" ")[0] for line in path.read_text().splitlines() if '= ""' in line]
    for entry in missing:
        assert entry.removeprefix("[model] ").partition(" ")[0] in asked
    assert "host_processor_model_name" not in " ".join(missing)
    assert "host_storage_type" in " ".join(missing)
    assert '# host_processor_model_name = "A CPU"' in path.read_text()


def test_filled_file_describes_every_field(tmp_path: Path) -> None:
    file = read_system_file(written(tmp_path, SYSTEM))
    facts = machine_facts()
    assert missing_answers(file, facts, []) == []
    described = file.describe(facts)
    assert set(described) == SYSTEM_FIELDS - {"division", "submitter", "framework"}
    assert all(value for name, value in described.items() if name not in MAY_BE_EMPTY)
    assert file.folder_name == "Two-core_machine"


def test_answers_win_over_what_was_found_out(tmp_path: Path) -> None:
    file = read_system_file(written(tmp_path, f'{SYSTEM}host_processor_model_name = "Mine"\n'))
    assert file.describe(FACTS)["host_processor_model_name"] == "Mine"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("submitter = ", "is not a TOML file"),
        ('submitter = "My Company"', '"My Company" becomes a folder'),
        ('submitter = ".Me"', '".Me" becomes a folder'),
        ('submiter = "Me"', 'Did you mean "submitter"?'),
        ('[system]\nstatus = "avaiable"', 'Did you mean "available"?'),
        ('[system]\ncoolling = "air"', 'Did you mean "cooling"?'),
        ('[system]\nsystem_type = "desktop"', "datacenter"),
        ('[system]\nsystem_type = "datacenter"', 'no ResNet-50 since v5.1. Write "edge"'),
        ('[model]\nretrained = "no"', 'Did you mean "retraining"?'),
        ("[system]\ncooling = [1]", "cooling must be one text or number"),
    ],
)
def test_what_cannot_be_meant_is_named(text: str, named: str, tmp_path: Path) -> None:
    assert named in refusal(tmp_path, text)


def test_server_of_both_suites_is_not_made_in_closed(tmp_path: Path) -> None:
    runs = write_runs(tmp_path, ["Offline"], kinds_of_runs("closed"))
    system = written(tmp_path, f'{SYSTEM}system_type = "datacenter,edge"\n')
    arguments = ("--runs", runs, "--scenarios", "Offline", "--system", system)
    output = ("--output", tmp_path / "output")
    done = submit(*arguments, *output, "--division", "closed", "--rehearsal")
    assert done.returncode == 2
    assert "asks for Server, too, and submission.py makes the edge suite's scenarios" in done.stderr
    done = submit(*arguments, *output)
    assert done.returncode == 0, done.stdout


def test_memory_is_in_the_unit_that_it_is_counted_in() -> None:
    """A machine's memory is a number of GiB, a disk's capacity one of GB."""
    facts = machine_facts()
    gib = psutil.virtual_memory().total / 2**30
    assert facts["host_memory_capacity"] == f"{gib:.0f} GiB"
    gb = psutil.disk_usage("/").total / 1e9
    assert facts["host_storage_capacity"] == f"{gb:.0f} GB"
    assert not re.search(r"\d[KMG](,|$)", facts.get("host_processor_caches", ""))


def test_file_of_a_windows_editor(tmp_path: Path) -> None:
    path = tmp_path / "system.toml"
    path.write_bytes(b'\xef\xbb\xbfsubmitter = "Me"\r\n')
    assert read_system_file(path).submitter == "Me"
