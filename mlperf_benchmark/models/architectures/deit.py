"""DeiT-Tiny, a vision transformer, with the state-dict keys of timm and of its authors.

Training data-efficient image transformers, https://arxiv.org/abs/2012.12877.
"""

import torch
from torch import Tensor, nn

from mlperf_benchmark.models.architectures.architecture import Architecture
from mlperf_benchmark.models.architectures.sources import Download

SIDE, PATCH = 224, 16
WIDTH, DEPTH, HEADS = 192, 12, 3
MLP = 4 * WIDTH


def _layer_norm() -> nn.LayerNorm:
    return nn.LayerNorm(WIDTH, eps=1e-6)


class PatchEmbedding(nn.Module):
    """Images to a row of patches, (batch, patches, width)."""

    def __init__(self) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, WIDTH, PATCH, PATCH)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.proj(x)
        return output.flatten(2).transpose(1, 2)


class Attention(nn.Module):
    """Multi-head self-attention."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.proj = nn.Linear(WIDTH, WIDTH)
        self.scale = (WIDTH // HEADS) ** -0.5

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.shape[1]
        parts = self.qkv(x).reshape(-1, tokens, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
        query, key, value = parts.unbind(0)
        weights = ((query * self.scale) @ key.transpose(-2, -1)).softmax(-1)
        output: Tensor = self.proj((weights @ value).transpose(1, 2).reshape(-1, tokens, WIDTH))
        return output


class Mlp(nn.Module):
    """Two linear layers of each token alone."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(WIDTH, MLP)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(MLP, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.fc2(self.act(self.fc1(x)))
        return output


class Block(nn.Module):
    """Attention and MLP, each behind a layer norm and beside an identity shortcut."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1 = _layer_norm()
        self.attn = Attention()
        self.norm2 = _layer_norm()
        self.mlp = Mlp()

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        output: Tensor = x + self.mlp(self.norm2(x))
        return output


class DeiT(nn.Module):
    """Takes normalised float32 RGB (batch, 3, 224, 224), gives logits (batch, 1000)."""

    def __init__(self) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, WIDTH))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + (SIDE // PATCH) ** 2, WIDTH))
        self.patch_embed = PatchEmbedding()
        self.blocks = nn.Sequential(*(Block() for _ in range(DEPTH)))
        self.norm = _layer_norm()
        self.head = nn.Linear(WIDTH, 1000)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch_embed(x)
        first = self.cls_token.expand(x.shape[0], -1, -1)
        x = self.blocks(torch.cat((first, x), dim=1) + self.pos_embed)
        output: Tensor = self.head(self.norm(x)[:, 0])
        return output


# Address and, in its name, sha256: https://github.com/facebookresearch/deit/blob/main/README.md
architecture = Architecture(
    name="deit-tiny",
    build=DeiT,
    input_size=SIDE,
    dataset="imagenet_deit",
    weight_sources={
        "deit": Download(
            url="https://dl.fbaipublicfiles.com/deit/deit_tiny_patch16_224-a1311bcf.pth",
            sha256_prefix="a1311bcf",
        )
    },
    quantization_preset="mixed",
)
