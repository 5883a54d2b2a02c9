"""The architectures are the published ones."""

from pathlib import Path

import efficientnet_lite_pytorch
import pytest
import torch
from torch import nn

from mlperf_benchmark.core.errors import UnknownNameError
from mlperf_benchmark.models.architectures.architecture import ARCHITECTURES
from mlperf_benchmark.models.optimize.macs import count_macs, count_parameters
from tests.models.conftest import Labelled, load


def test_resnet50_has_torchvisions_keys(resnet50: nn.Module) -> None:
    keys = resnet50.state_dict()
    assert len(keys) == 320
    assert {"conv1.weight", "bn1.running_var", "layer1.0.downsample.0.weight", "fc.bias"} <= set(
        keys
    )
    assert keys["layer4.2.conv3.weight"].shape == (2048, 512, 1, 1)


def test_resnet50_has_the_published_size(resnet50: nn.Module) -> None:
    assert count_macs(resnet50, 224) == pytest.approx(4.09e9, rel=0.01)
    assert count_parameters(resnet50) == 25_557_032


def test_resnet50_is_version_1_5(resnet50: nn.Module) -> None:
    strides = {
        name: layer.stride
        for name, layer in resnet50.named_modules()
        if isinstance(layer, nn.Conv2d) and layer.stride == (2, 2)
    }
    assert set(strides) == {"conv1"} | {
        f"layer{stage}.0.{part}" for stage in (2, 3, 4) for part in ("conv2", "downsample.0")
    }


@pytest.mark.parametrize(
    ("name", "gmacs", "parameters"),
    [
        ("efficientnet-lite0", 0.385, 4_652_008),
        ("efficientnet-lite1", 0.600, 5_416_680),
        ("efficientnet-lite2", 0.860, 6_092_072),
    ],
)
def test_efficientnet_lite_equals_the_published_implementation(
    name: str, gmacs: float, parameters: int, cache_dir: Path
) -> None:
    """The package's code, the package's weights, and the sizes that its authors state."""
    architecture = ARCHITECTURES.load(name)
    ours = load(name, "package", cache_dir)
    published = efficientnet_lite_pytorch.EfficientNet.from_name(name).eval()
    assert list(published.state_dict()) == list(ours.state_dict())
    published.load_state_dict(ours.state_dict())
    shape = (2, 3, architecture.input_size, architecture.input_size)
    images = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(ours(images), published(images), rtol=0, atol=1e-6)
    assert count_macs(ours, architecture.input_size) == pytest.approx(1e9 * gmacs, rel=2e-3)
    assert count_parameters(ours) == parameters


def test_lite0_scores_as_expected_on_real_images(lite0: nn.Module, validation: Labelled) -> None:
    with torch.no_grad():
        scores = lite0(torch.from_numpy(validation.images))
    assert 178 <= int((scores.argmax(1).numpy() == validation.labels).sum()) <= 180


def test_random_weights_keep_activations_in_range(resnet50: nn.Module) -> None:
    spreads: dict[str, float] = {}
    for name, layer in resnet50.named_modules():
        if isinstance(layer, nn.ReLU):
            layer.register_forward_hook(
                lambda _layer, _inputs, output, name=name: spreads.update({name: output.std()})
            )
    with torch.no_grad():
        resnet50(torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(1)))
    assert all(0.1 < spread < 10 for spread in spreads.values())


def test_misspelt_model_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match='Did you mean "resnet50"'):
        ARCHITECTURES.load("resnet-50")
