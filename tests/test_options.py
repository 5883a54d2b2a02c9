"""What the command line means, and what it refuses with a reason."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from mlperf_benchmark.core.errors import UsageError
from mlperf_benchmark.core.run_config import RunConfig
from mlperf_benchmark.run.arguments import without
from mlperf_benchmark.run.options import parse
from mlperf_benchmark.run.resolve import resolve
from tests.command import MAIN, ROOT
from tests.conftest import Runner

KSERVE = "--profile pytorch-kserve --dataset synthetic --endpoint n:1 --scenario Offline"
OPENVINO = "--backend openvino --dataset synthetic --model m.xml"


def configuration(line: str) -> RunConfig:
    return resolve(parse(line.split()))


def refusal(line: str) -> str:
    with pytest.raises(UsageError) as caught:
        configuration(line)
    return str(caught.value)


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("--profile pytorch-openvno", ('"pytorch-openvino"', "null")),
        ("--profile null --scenario offline", ('"Offline"', "SingleStream")),
        ("--profile null --backend opnvino", ('"openvino"', "null")),
        ("--profile null --dataset imagnet", ('"imagenet"', "synthetic")),
    ],
)
def test_typo_in_a_name_gets_the_nearest_and_the_list(line: str, named: tuple[str, str]) -> None:
    message = refusal(line)
    nearest, other = named
    assert f"Did you mean {nearest}?" in message
    assert other in message.partition("Known:")[2]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("--profile null --accuracy --time 5", "--time does not apply to accuracy runs: .* once"),
        ("--profile null --accuracy --queries 5", "--queries does not apply to accuracy runs"),
        ("--profile null --accuracy --qps 5 --scenario Server", "--qps .* accuracy runs"),
        ("--profile null --accuracy --max-latency 1 --scenario Server", "no latency bound"),
        ("--profile null --qps 5", "--qps does not apply to SingleStream runs: .* no rate"),
        ("--profile null --qps 5 --scenario MultiStream", "--qps does not apply to MultiStream"),
        ("--profile null --samples-per-query 5", "only MultiStream"),
        ("--profile null --samples-per-query 5 --scenario Offline", "only MultiStream"),
        ("--profile null --max-latency 5 --scenario Offline", "only Server has a latency bound"),
        ("--profile null --max-batchsize 5", "a SingleStream query is one sample"),
        (f"{OPENVINO} --streams 2", "--streams does not apply to SingleStream runs"),
        ("--profile null --time 5 --queries 5", "exclude each other"),
        (
            "--profile null --scenario Offline --qps 5 --queries 5",
            "--qps and --queries exclude each other in Offline",
        ),
        ("--profile null --model m.xml", "--model does not apply to the null backend"),
        ("--profile null --threads 2", "--threads does not apply to the null backend"),
        ("--profile null --precision f32", "--precision does not apply to the null backend"),
        ("--profile null --inputs x", "--inputs does not apply to the null backend"),
        ("--profile null --dataset-path x", "--dataset-path does not apply to the synthetic"),
        ("--profile null --dataset-list x", "--dataset-list does not apply to the synthetic"),
        ("--profile pytorch-openvino --dataset-path x", "needs a model: --model FILE"),
        ("--profile pytorch-openvino --model m.xml", "needs its folder: --dataset-path DIR"),
        ("", "--profile NAME"),
        ("--backend openvino", "--profile NAME"),
        ("--profile null --count 0", "--count.*not a whole number above 0"),
        ("--profile null --count 1.5", "--count.*not a whole number above 0"),
        ("--profile null --time -1", "--time.*not a number above 0"),
        ("--profile null --time nan", "--time.*not a number above 0"),
        ("--profile null --time inf", "--time.*not a number above 0"),
        (f"{OPENVINO} --precision fp32", "--precision.*f32"),
        (f"{OPENVINO} --data-format NWHC", "--data-format.*NHWC"),
        (f"{OPENVINO} --inputs a,b", "one name"),
        (f"{OPENVINO} --outputs a,b", "one name"),
        (f"{OPENVINO} --inputs ,", "one name"),
        ("--profile null --endpoint n:1", "--endpoint does not apply to the null backend"),
        (f"{OPENVINO} --deadline 1", "--deadline does not apply to the openvino backend"),
        (KSERVE.replace("Offline", "SingleStream"), "kserve .* Server and Offline"),
        (KSERVE.replace("Offline", "MultiStream"), "kserve .* Server and Offline"),
        (f"{KSERVE} --max-batchsize 4", "--max-batchsize .* the engine there makes the batches"),
        (f"{KSERVE} --threads 2", "--threads does not apply to the kserve backend"),
        (f"{KSERVE} --payload jpeg", "image files, and the data set synthetic has none"),
        (f"{KSERVE} --token-file t", "--token-file needs an encrypted connection: --tls-ca"),
        (f"{KSERVE} --tls-ca a --tls-key k", "--tls-cert and --tls-key go together"),
        (KSERVE.replace("n:1", "n"), '"n" is not HOST:PORT'),
        (KSERVE.replace("n:1", "http://n:1"), "is not HOST:PORT"),
        (KSERVE.replace("n:1", "n:1,n:1"), "names a node twice"),
        (KSERVE.replace("--endpoint n:1", ""), "needs its nodes: --endpoint HOST:PORT"),
        (
            "--backend kserve --dataset synthetic --endpoint n:1 --scenario Server",
            "--served-model NAME",
        ),
        ("--profile null --sceanrio Offline", "--sceanrio"),
        ("--profile null --acc", "--acc"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_reason(line: str, reason: str) -> None:
    assert re.search(reason, refusal(line))


def test_profile_gives_defaults() -> None:
    config = configuration("--profile reference-openvino --model m.xml --dataset-path images")
    assert config.backend == "openvino"
    assert config.dataset == "imagenet"
    assert config.model_name == "resnet50"
    assert config.precision == "f32"
    assert config.scenario == "SingleStream"
    assert config.max_batchsize == 1


def test_the_model_decides_about_batches_where_nothing_else_does() -> None:
    assert configuration(f"{OPENVINO} --scenario Offline").max_batchsize is None
    assert configuration(f"{OPENVINO} --scenario Offline --max-batchsize 3").max_batchsize == 3
    assert configuration("--profile null --scenario Server").max_batchsize == 1024


def test_command_line_overrides_the_profile() -> None:
    config = configuration(
        "--profile reference-openvino --model m.xml --dataset synthetic --precision bf16 "
        "--scenario Offline --max-batchsize 16 --model-name retinanet --threads 3"
    )
    assert config.dataset == "synthetic"
    assert config.precision == "bf16"
    assert config.max_batchsize == 16
    assert config.model_name == "retinanet"
    assert config.threads == 3


def test_served_nodes_have_options_of_their_own() -> None:
    network = configuration(KSERVE.replace("n:1", "n:1,[::1]:2")).network
    assert network is not None
    assert network.endpoints == ("n:1", "[::1]:2")
    assert network.served_model == "resnet50"
    assert network.on_node_loss == "fail"
    assert network.payload == "pixels"
    assert configuration("--profile null").network is None


def test_profile_can_be_spared() -> None:
    config = configuration("--backend null --dataset synthetic")
    assert config.profile == "none"
    assert config.backend == "null"


def test_refusal_is_one_line_with_status_2(benchmark: Runner) -> None:
    done = benchmark("--profile", "nul")
    assert done.status == 2
    assert done.error.startswith('Unknown profile "nul". Did you mean "null"?')
    assert not done.output.exists()


@pytest.mark.parametrize(
    "line",
    [
        "main.py --profile nul",
        "compare.py none.toml",
        "compare.py show none.json",
        "compare.py check none.json --against none.json",
        "prepare.py resnet51",
        "finetune.py resnet51",
        "sample.py --cache-dir",
        "serve.py triton none.xml --output models",
        "serve.py ovms none.xml --output models",
        "serve.py start none --id node",
        "submission.py --division none",
    ],
)
def test_every_command_shows_the_traceback_with_debug(line: str, tmp_path: Path) -> None:
    script, *arguments = line.split()
    words = [sys.executable, str(ROOT / script), *arguments, "--debug"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    lines = done.stderr.splitlines()
    assert lines[0].startswith("Traceback")
    assert lines[-1].startswith("Error: ")
    assert "--debug" not in lines[-1]
    assert not any(tmp_path.iterdir())


def test_a_python_without_the_requirements_is_told_of_them() -> None:
    without_packages = [sys.executable, "-S", str(MAIN), "--profile", "null"]
    run = subprocess.run(without_packages, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert run.stderr.startswith("Error: The Python package ")
    assert re.search(r"pip install -r \S*requirements\.txt\.$", run.stderr.strip())
    assert run.stderr.count("\n") == 1


def test_unknown_model_name_is_refused(benchmark: Runner) -> None:
    """LoadGen has no rules for it and would run for 10 s under general ones."""
    done = benchmark("--profile", "null", "--model-name", "resnet")
    assert done.status == 2
    assert "resnet50" in done.error
    assert not done.output.exists()


def test_help_and_version(benchmark: Runner) -> None:
    assert "openvino 20" in benchmark("--version").stdout
    done = benchmark("--help")
    assert done.status == 0
    for option in ("--samples-per-query", "--audit-conf", "efficientnet-lite0-openvino"):
        assert option in done.stdout


def test_values_that_are_called_as_options_stay_when_those_are_left_out() -> None:
    words = ["--dataset-path", "threads", "--threads", "2", "--model", "time"]
    assert without(words, {"threads", "time"}) == ["--dataset-path", "threads", "--model", "time"]
