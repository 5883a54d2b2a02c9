"""Determines how images are preprocessed for a model that was made elsewhere."""

import dataclasses
from pathlib import Path

from mlperf_benchmark.core.preprocessing import CUSTOM, ModelCard
from mlperf_benchmark.models.prepare.recipe import Recipe
from mlperf_benchmark.own_model.settling import OwnModel, own_model


def own_images(recipe: Recipe, file: Path | None) -> OwnModel | None:
    """Return what is specified or assumed about the model's images; None for a named data set.

    A card may lie beside `file`, the model or its weights. Raises UsageError or ModelError.
    """
    if recipe.dataset not in (None, CUSTOM):
        return None
    return own_model(
        file,
        recipe.card or ModelCard(),
        recipe.model_card,
        inputs=recipe.inputs,
        layout=recipe.data_format,
    )


def kept_card(recipe: Recipe, own: OwnModel) -> ModelCard | None:
    """Return the card that the new file's description records, so that it needs none beside it.

    Port names are left out, because the new file has only one input and one output.
    """
    if own.preprocessing is None:
        return None
    offset = recipe.labels_offset
    return dataclasses.replace(
        own.card,
        layout=recipe.data_format or own.card.layout,
        inputs=None,
        outputs=None,
        labels_offset=own.card.labels_offset if offset is None else offset,
    )
