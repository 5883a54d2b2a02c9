"""The steps from weights to a model file with its description."""

from pathlib import Path

from contracts.errors import OutputError
from contracts.registry import known_name
from modelfiles.architecture import ARCHITECTURES, Architecture
from modelfiles.description import (
    ModelDescription,
    Size,
    description_path,
    tool_versions,
    write_description,
)
from modelfiles.formats import FORMATS, ModelFormat
from modelfiles.onnx_export import export_onnx
from modelfiles.staging import file_sha256, staged
from modelfiles.weights import load_weights
from optimization.macs import count_macs, count_parameters
from preparation.progress import download_progress
from preparation.recipe import PRECISIONS, Recipe


def prepare_model(recipe: Recipe) -> Path:
    """Make the model file that `recipe` asks for and return its path.

    Raises UsageError and its kinds for what cannot be used; leaves nothing half-written.
    """
    file_format: ModelFormat = FORMATS.load(recipe.file_format)()
    known_name("precision", recipe.precision, PRECISIONS)
    target = recipe.output / f"{recipe.stem}.{recipe.file_format}"
    if not recipe.overwrite:
        for path in (target, description_path(target)):
            if path.exists():
                raise OutputError(
                    f"{path} exists. Give --overwrite, or another --output or --name."
                )
    architecture: Architecture = ARCHITECTURES.load(recipe.model)
    with download_progress(recipe.weights) as progress:
        module, weights = load_weights(
            architecture,
            recipe.weights,
            seed=recipe.seed,
            cache_dir=recipe.cache_dir,
            progress=progress,
        )
    size = Size(count_macs(module, architecture.input_size) / 1e9, count_parameters(module))
    graph = file_format.convert(export_onnx(module, architecture.input_size))
    with staged(recipe.output) as folder:
        model = file_format.save(graph, folder, recipe.stem, str(weights))
        description = ModelDescription(
            architecture=architecture.name,
            weights=weights,
            dataset=architecture.dataset,
            input_size=architecture.input_size,
            precision=recipe.precision,
            size=size,
            unpruned_size=size,
            tools=tool_versions(),
            files={file.name: file_sha256(file) for file in sorted(folder.iterdir())},
        )
        write_description(model, description)
    return target
