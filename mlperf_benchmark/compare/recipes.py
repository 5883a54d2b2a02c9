"""Variants that a matrix says how to make: options of prepare.py, and where the file is kept."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlperf_benchmark.core.errors import UsageError
from mlperf_benchmark.core.machine import cpu_model
from mlperf_benchmark.core.parser import flag
from mlperf_benchmark.core.registry import known_name
from mlperf_benchmark.core.versions import PRODUCT, installed_versions
from mlperf_benchmark.images.image_files import find_images
from mlperf_benchmark.models.files.description import TOOLS
from mlperf_benchmark.models.prepare.options import option_names, parse
from mlperf_benchmark.models.prepare.own_images import own_images
from mlperf_benchmark.models.prepare.recipe import Recipe

# The comparison decides about the files, and a matrix is no code.
NOT_OPTIONS = frozenset(
    {
        "architecture",
        *("output", "name", "overwrite", "help", "debug", "list-methods", "list-quantizers"),
    }
)
# Values that are words of their own on the command line.
WORDS = frozenset({"keep_fp32"})


@dataclass(frozen=True)
class Making:
    """How one variant's model file is made. `arguments` are prepare.py's, but for the output;
    `recipe` is what they were parsed to.
    """

    arguments: tuple[str, ...]
    cache_dir: Path
    recipe: Recipe

    @property
    def image_folders(self) -> list[Path]:
        """Those whose images decide about the file."""
        recipe = self.recipe
        validation = recipe.quantization.validation_path if recipe.quantization else None
        folders = (recipe.calibration_path, recipe.evaluation_path, validation)
        return [path for path in folders if path is not None]

    @property
    def folder(self) -> Path:
        """Named by all that decides about the file, so that a changed recipe is made anew."""
        recipe = self.recipe
        about: dict[str, Any] = {
            "arguments": self.arguments,
            "product": PRODUCT,
            "packages": installed_versions((*TOOLS, "apache-tvm", "onnxruntime")),
            "weights": _status(Path(recipe.weights)),
            "images": [_images(path) for path in self.image_folders],
        }
        if recipe.is_file:
            own = own_images(recipe, Path(recipe.model))
            about["card"] = dataclasses.asdict(own.card) if own else None
        if recipe.times_layers or recipe.compilation is not None:
            about["cpu"] = cpu_model()
        text = json.dumps(about, sort_keys=True).encode(errors="surrogateescape")
        return self.cache_dir / "recipes" / hashlib.sha256(text).hexdigest()[:16]

    @property
    def model(self) -> Path:
        """The file, made or not."""
        recipe = self.recipe
        # Weights of finetune.py, which are pruned already, would put that into the default name.
        return self.folder / f"{recipe.model_name}.{recipe.file_format}"


def making_of(options: Mapping[str, Any], cache_dir: Path) -> Making:
    """From prepare.py's options by their names with underscores. Raises UsageError."""
    known = [name.replace("-", "_") for name in option_names() if name not in NOT_OPTIONS]
    # First, as an option before it may take it for one of its values.
    words = [str(options["model"])] if "model" in options else []
    for name, value in options.items():
        known_name("option of prepare.py", name, ("model", *known))
        words += [] if name == "model" else _words(name, value)
    if "model" not in options:
        raise UsageError('say which model: model = "efficientnet-lite0".')
    if "cache_dir" not in options:
        words += ["--cache-dir", str(cache_dir)]
    making = Making(tuple(words), cache_dir, parse(words))
    # Whatever prepare.py refuses without having looked at a file is refused here.
    _ = making.recipe.file_format
    return making


def _words(name: str, value: Any) -> list[str]:
    if isinstance(value, bool):
        return [flag(name)] if value else []
    if not isinstance(value, list):
        return [flag(name), str(value)]
    values = [str(one) for one in value]
    return [flag(name), *values] if name in WORDS else [flag(name), ",".join(values)]


def _images(folder: Path) -> Sequence[Any]:
    if not folder.is_dir():
        return [str(folder), None]
    return [str(folder.resolve()), [_status(folder / name) for name in find_images(folder)]]


def _status(file: Path) -> Sequence[Any]:
    try:
        status = file.stat()
    except (OSError, ValueError):
        return [str(file), None]
    return [str(file), status.st_size, status.st_mtime_ns]
