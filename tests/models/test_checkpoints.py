"""`--weights` takes what training scripts save, and says what any other file is."""

import argparse
import collections
import enum
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from mlperf_benchmark.core.errors import ModelError
from mlperf_benchmark.models.architectures.architecture import ARCHITECTURES
from mlperf_benchmark.models.architectures.weights import LoadedModel, load_weights
from tests.models.test_prepare import command

NAME = "efficientnet-lite0"
State = dict[str, Tensor]


class Options(dict[str, Any]):
    """A subclass of dict, as frameworks keep their options in."""


class Kind(enum.Enum):
    SGD = 1


class Evil:
    """Unpickling it would write a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return eval, (f"open({str(self.target)!r}, 'w')",)


def load(file: Path) -> LoadedModel:
    return load_weights(
        ARCHITECTURES.load(NAME), str(file), seed=0, cache_dir=file.parent, progress=lambda *_: None
    )


def refusal(file: Path) -> str:
    with pytest.raises(ModelError) as caught:
        load(file)
    assert str(caught.value).startswith(str(file))
    return str(caught.value)


def below(prefix: str, state: State) -> State:
    return {f"{prefix}{name}": tensor for name, tensor in state.items()}


def other(state: State) -> State:
    """Weights that must not be taken."""
    return {name: torch.zeros_like(tensor) for name, tensor in state.items()}


def assert_same(loaded: LoadedModel, state: State, tolerance: float = 0) -> None:
    for name, tensor in loaded.module.state_dict().items():
        assert (tensor - state[name]).abs().max() <= tolerance, name


@pytest.fixture
def state(loaded_lite0: nn.Module) -> State:
    return dict(loaded_lite0.state_dict())


@pytest.mark.parametrize(
    ("prefix", "key"),
    [
        ("module.", "state_dict"),
        ("_orig_mod.", None),
        ("module._orig_mod.", "net"),
        ("model.", "state_dict"),
        ("backbone.", None),
        ("student.encoder.", "model"),
        ("", "model"),
    ],
)
def test_prefix_and_wrapping(tmp_path: Path, state: State, prefix: str, key: str | None) -> None:
    file = tmp_path / "weights.pth"
    saved = below(prefix, state)
    torch.save({key: saved, "epoch": 90, "best": torch.tensor(76.1)} if key else saved, file)
    loaded = load(file)
    assert_same(loaded, state)
    named = ".".join(filter(None, (key, prefix.rstrip("."))))
    assert loaded.weights.source == (f"{file}: {named}" if named else str(file))
    assert (loaded.remark is not None) == (key is not None)


@pytest.mark.parametrize(
    ("content", "taken"),
    [
        (lambda right, wrong: {"state_dict": wrong, "state_dict_ema": right}, "state_dict_ema"),
        (
            lambda right, wrong: {
                "model": wrong,
                "model_ema": below("module.", right) | {"n_averaged": torch.tensor(9)},
            },
            "model_ema.module",
        ),
        (
            lambda right, wrong: {"state_dict": below("net.", wrong) | below("net_ema.", right)},
            "state_dict.net_ema",
        ),
    ],
    ids=["timm", "torchvision", "in one mapping"],
)
def test_averaged_weights_are_taken_and_that_is_said(
    tmp_path: Path, state: State, content: Any, taken: str
) -> None:
    file = tmp_path / "weights.pth"
    torch.save(content(state, other(state)), file)
    loaded = load(file)
    assert_same(loaded, state)
    assert loaded.remark is not None
    assert loaded.remark.startswith(f'The weights are "{taken}" of {file}, not ')
    assert "without" not in loaded.remark


def test_optimizer_and_counters_do_not_matter(
    tmp_path: Path, state: State, lite0: nn.Module
) -> None:
    counters = {
        f"{place}total_{what}": torch.zeros(1)
        for place in ("", "_blocks.0.")
        for what in ("ops", "params")
    }
    optimizer = torch.optim.SGD(lite0.parameters(), lr=0.1, momentum=0.9)
    for parameter in lite0.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    file = tmp_path / "weights.pth"
    torch.save({"optimizer": optimizer.state_dict(), "model_state_dict": state | counters}, file)
    loaded = load(file)
    assert_same(loaded, state)
    assert loaded.remark == f'The weights are "model_state_dict" of {file}.'


def test_classifier_beside_the_backbone(tmp_path: Path, state: State) -> None:
    parts = {
        f"{'head' if name.startswith('_fc') else 'backbone'}.{name}": tensor
        for name, tensor in state.items()
    }
    file = tmp_path / "weights.pth"
    torch.save({"state_dict": parts | {"criterion.weight": torch.ones(3)}}, file)
    loaded = load(file)
    assert_same(loaded, state)
    assert loaded.remark is not None
    assert loaded.remark.endswith("without criterion.weight.")


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before torch 1.6"])
def test_objects_beside_the_weights_are_skipped(
    tmp_path: Path, state: State, *, zipped: bool
) -> None:
    content = {
        "state_dict": state,
        "best_acc1": np.float64(76.1),
        "history": np.arange(3),
        "args": argparse.Namespace(lr=0.5, output=Path("/tmp")),
        "hyper_parameters": Options(kind=Kind.SGD, nested=Options()),
        "counts": collections.defaultdict(int, seen=3),
        "device": torch.device("cpu"),
    }
    file = tmp_path / "weights.pth"
    torch.save(content, file, _use_new_zipfile_serialization=zipped)
    assert_same(load(file), state)


@pytest.mark.parametrize(
    "wrap", [lambda module: module, nn.DataParallel, lambda module: {"ema": module}]
)
def test_whole_module_gives_its_weights(
    tmp_path: Path, lite0: nn.Module, state: State, wrap: Any
) -> None:
    file = tmp_path / "weights.pth"
    torch.save(wrap(lite0), file)
    assert_same(load(file), state)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_floats_become_float32(tmp_path: Path, state: State, dtype: torch.dtype) -> None:
    file = tmp_path / "weights.pth"
    converted = {
        name: tensor.to(dtype) if tensor.is_floating_point() else tensor
        for name, tensor in state.items()
    }
    torch.save(converted, file)
    assert_same(load(file), converted)


def test_safetensors(tmp_path: Path, state: State) -> None:
    file = tmp_path / "model.safetensors"
    save_file(state, file)
    assert_same(load(file), state)


def test_code_beside_the_weights_is_not_executed(tmp_path: Path, state: State) -> None:
    file = tmp_path / "evil.pth"
    torch.save({"state_dict": state, "extra": Evil(tmp_path / "executed")}, file)
    assert_same(load(file), state)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", "git lfs pull"),
        (b"/annex/objects/SHA256E-s9--00.pth\n", "git annex get"),
        (b"\n<!DOCTYPE html><html></html>", "is a web page"),
        (b"<?xml version='1.0'?>\n<Error><Code>AccessDenied</Code></Error>", "is a web page"),
        (bytes(5000), "begins with zeros"),
        (b"\x1f\x8b\x08", "gunzip"),
        (b"\x89HDF\r\n", "Keras"),
        (b"PK\x03\x04 damaged", "cut short or damaged"),
        (b"no weights", "is not a file of torch.save"),
    ],
)
def test_file_of_another_kind_gets_its_own_cure(tmp_path: Path, content: bytes, words: str) -> None:
    file = tmp_path / "bad.pth"
    file.write_bytes(content)
    assert words in refusal(file)


@pytest.mark.parametrize("zipped", [True, False])
def test_truncated_download_is_told(tmp_path: Path, state: State, *, zipped: bool) -> None:
    file = tmp_path / "cut.pth"
    torch.save(state, file, _use_new_zipfile_serialization=zipped)
    content = file.read_bytes()
    for length in (len(content) // 3, len(content) - 100, 200):
        file.write_bytes(content[:length])
        assert f"is cut short or damaged ({length} bytes)" in refusal(file)


def test_torchscript_arrays_and_archives_are_told(tmp_path: Path, state: State) -> None:
    scripted = tmp_path / "scripted.pt"
    torch.jit.trace(nn.Linear(2, 2), torch.zeros(1, 2)).save(scripted)  # type: ignore[no-untyped-call]
    assert "torch.jit.load(FILE).state_dict()" in refusal(scripted)
    arrays = tmp_path / "arrays.npz"
    np.savez(arrays, weight=np.zeros(3))
    assert "NumPy arrays" in refusal(arrays)
    torch.save(state, tmp_path / "inner.pth")
    with tarfile.open(tmp_path / "weights.pth.tar", "w") as archive:
        archive.add(tmp_path / "inner.pth", "inner.pth")
    assert "tar archive; unpack" in refusal(tmp_path / "weights.pth.tar")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda state: {
                name: tensor[: len(tensor) // 2] if "conv" in name else tensor
                for name, tensor in state.items()
            },
            "pruning elsewhere: export it to ONNX",
        ),
        (
            lambda state: (
                state | {"_fc.weight": torch.zeros(10, 1280), "_fc.bias": torch.zeros(10)}
            ),
            "distinguishes 10 classes",
        ),
        (
            lambda state: (
                {
                    f"{name}_orig" if name == "_fc.weight" else name: tensor
                    for name, tensor in state.items()
                }
                | {"_fc.weight_mask": torch.ones(1000, 1280)}
            ),
            "torch.nn.utils.prune.remove",
        ),
        (
            lambda state: state | {"_fc.weight": torch.zeros((1000, 1280), dtype=torch.int8)},
            "1 of whole numbers (_fc.weight)",
        ),
        (
            lambda state: state | {"_blocks.0.se.weight": torch.zeros(3)},
            "1 unexpected (_blocks.0.se.weight)",
        ),
    ],
    ids=["pruned elsewhere", "classes", "masks", "quantized", "other model"],
)
def test_weights_that_do_not_fit_are_told_why(
    tmp_path: Path, state: State, change: Any, words: str
) -> None:
    file = tmp_path / "weights.pth"
    torch.save(change(state), file)
    assert words in refusal(file)


def test_the_command_says_which_weights_it_took(tmp_path: Path, state: State) -> None:
    file = tmp_path / "timm.pth.tar"
    torch.save({"state_dict": other(state), "state_dict_ema": state}, file)
    prepare = ("prepare.py", NAME, "--output", str(tmp_path / "models"), "--weights")
    done = command(*prepare, str(file))
    assert done.returncode == 0, done.stderr
    assert f'The weights are "state_dict_ema" of {file}, not state_dict.\n' == done.stderr
