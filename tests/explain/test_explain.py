"""explain.py on small nets: what it measures, matches, says and writes."""

import csv
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from mlperf_benchmark.core.errors import ModelError, OutputError, UsageError
from mlperf_benchmark.core.layer_profile import CONVOLUTION, DEPTHWISE, LINEAR
from mlperf_benchmark.explain.command import main
from mlperf_benchmark.explain.operators import module_name
from mlperf_benchmark.explain.options import parse
from mlperf_benchmark.explain.subjects import find_subjects, load
from mlperf_benchmark.torch_model.profiling import profile
from tests.explain.conftest import Explained, Nets, run_explain
from tests.models.small_nets import Small

LAYERS = {
    "stem": (CONVOLUTION, 112 * 112 * 6 * 3 * 9),
    "expand": (CONVOLUTION, 112 * 112 * 48 * 6),
    "depthwise": (DEPTHWISE, 112 * 112 * 48 * 9),
    "project": (CONVOLUTION, 112 * 112 * 6 * 48),
}


@pytest.fixture(scope="module")
def explained(nets: Nets, tmp_path_factory: pytest.TempPathFactory) -> Explained:
    """One net on three backends, in INT8, and with channels that fill no vector."""
    output = tmp_path_factory.mktemp("explained") / "explained"
    files = (nets.full_onnx, nets.int8_onnx)
    other = [f"{file}@onnxruntime" for file in files]
    return run_explain(nets.full, nets.odd, nets.full_tvm, *other, *files, "--all", output=output)


def by_operator(variant: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {layer["operator"]: layer for layer in variant["layers"]}


def test_backends_name_layers_after_the_models_operators(explained: Explained) -> None:
    assert explained.status == 0, explained.stderr
    variants = explained.content["variants"]
    onnx_files = ("onnxruntime", "onnxruntime", "openvino", "openvino")
    assert [one["backend"] for one in variants] == ["openvino", "openvino", "tvm", *onnx_files]
    for variant in (variants[0], *variants[2:]):
        layers, name = by_operator(variant), variant["name"]
        for operator, (kind, macs) in LAYERS.items():
            assert (layers[operator]["kind"], layers[operator]["macs"]) == (kind, macs), name
            assert layers[operator]["ms"]["value"] > 0
            assert layers[operator]["bound_ms"] > 0
        (classifier,) = [one for one in variant["layers"] if one["kind"] == LINEAR]
        assert classifier["operator"] == "classifier", name
        assert classifier["macs"] == 6000, name
        assert classifier["weight_bytes"] in (6000, 24000), name
        assert (classifier["weight_bytes"] == 6000) == (classifier["precision"] == "int8"), name
        assert sum(one["share"] for one in variant["layers"]) == pytest.approx(1)
        assert variant["latency_ms"]["value"] > 0


def test_channels_that_fill_no_vector_are_told_on_real_layers(explained: Explained) -> None:
    assert explained.status == 0, explained.stderr
    layers = by_operator(explained.content["variants"][1])
    assert layers["expand"]["output_channels"] == layers["project"]["input_channels"] == 37
    told = [one for one in explained.content["statements"] if one["rule"] == "padded channels"]
    assert any("37 channels run as 48" in one["text"] for one in told)
    assert all(one["lost_ms"] > 0 for one in told)


def test_the_terminal_shows_layers_the_profiles_cost_and_the_verdict(explained: Explained) -> None:
    for name in LAYERS:
        assert name in explained.stdout
    assert explained.stdout.count("a whole inference without profiling takes") == 7
    assert "possible" in explained.stdout
    assert "Peaks of this machine (threads: 1): f32" in explained.stdout


def test_every_form_is_written(explained: Explained) -> None:
    names = {path.name for path in explained.output.iterdir()}
    assert names == {"explain.json", "layers.csv", "explain.html", "graphs"}
    graphs = sorted(path.name for path in (explained.output / "graphs").iterdir())
    assert len(graphs) == 4
    assert "odd.executed.xml" in graphs
    assert "<net" in (explained.output / "graphs" / graphs[0]).read_text()[:200]
    with (explained.output / "layers.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len({row["variant"] for row in rows}) == 7
    assert next(row["macs"] for row in rows if row["operator"] == "stem") == str(LAYERS["stem"][1])


def test_an_explanation_is_not_replaced_unasked(
    nets: Nets, explained: Explained, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (explained.output / "explain.json").read_bytes()
    words = ["explain.py", str(nets.full), "--output", str(explained.output)]
    monkeypatch.setattr("sys.argv", words)
    with pytest.raises(OutputError, match="holds an explanation already"):
        main()
    assert (explained.output / "explain.json").read_bytes() == before


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("missing.xml", "There is no model file missing.xml"),
        ("{full}@opnvino", 'Did you mean "openvino"?'),
        ("{full}@kserve", "The kserve backend does not report layer times"),
        ("{full}@inductor", "The inductor backend does not report layer times"),
        ("{full} {full}", "is named twice"),
        ("model.h5", "Which backend reads model.h5?"),
        ("{full} --profile pytorch-openvno", 'Did you mean "pytorch-openvino"?'),
        ("{full} --dataset imagnet", 'Did you mean "imagenet"?'),
    ],
)
def test_models_that_cannot_be_explained_are_refused(nets: Nets, model: str, reason: str) -> None:
    with pytest.raises(UsageError) as caught:
        find_subjects(parse(model.format(full=nets.full).split()))
    assert reason in str(caught.value)


def test_bad_input_gets_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    refused = run_explain(tmp_path / "missing.xml", output=tmp_path / "output")
    assert refused.status == 2
    assert len(refused.stderr.splitlines()) == 1, refused.stderr
    assert not (tmp_path / "output").exists()


def test_a_compiled_model_without_names_is_to_be_compiled_again(nets: Nets, tmp_path: Path) -> None:
    old = tmp_path / "old.tvm"
    with zipfile.ZipFile(nets.full_tvm) as source, zipfile.ZipFile(old, "w") as target:
        for entry in source.infolist():
            content = source.read(entry)
            if entry.filename == "model.json":
                model = json.loads(content)
                for library in model["libraries"]:
                    del library["layers"]
                content = json.dumps(model).encode()
            target.writestr(entry, content)
    options = parse([str(old), "--threads", "1"])
    (subject,) = find_subjects(options)
    loaded = load(subject, options)
    with pytest.raises(ModelError, match="Compile it again"):
        loaded.backend.profile(loaded.images, 1)
    loaded.backend.close()


def test_torch_tells_the_module_of_each_operator() -> None:
    with torch.no_grad():
        found = profile(Small(37).eval(), torch.zeros(1, 3, 224, 224), 2)
    layers = {layer.origins[0]: layer for layer in found.layers if layer.origins}
    assert {"stem", "expand", "norm", "depthwise", "project", "out", "classifier"} <= layers.keys()
    assert layers["stem"].macs == LAYERS["stem"][1]
    assert layers["depthwise"].kind == DEPTHWISE
    assert layers["classifier"].macs == 60
    assert found.seconds.shape == (2, len(found.layers))


@pytest.mark.parametrize(
    ("operator", "short"),
    [
        ("/layer1/layer1.0/conv1/Conv", "layer1.0.conv1"),
        ("/layer1/layer1.0/downsample/downsample.0/Conv", "layer1.0.downsample.0"),
        ("/layer1/layer1.0/Add", "layer1.0.Add"),
        ("/attn/MatMul_1", "attn.MatMul_1"),
        ("/Flatten", "Flatten"),
        ("conv1", "conv1"),
    ],
)
def test_names_are_those_of_modules(operator: str, short: str) -> None:
    assert module_name(operator) == short
