"""What is doubtful about single runs stands beneath the table of a comparison, too."""

from pathlib import Path

import numpy as np
from PIL import Image

from tests.compare.command import comparison_of, run_compare
from tests.tiny_models import SIZE, Tiny


def test_padding_and_accuracy_at_chance_are_named_by_row(tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for number in range(5):
        pixels = np.full((SIZE, SIZE, 3), 50 * number, np.uint8)
        Image.fromarray(pixels).save(images / f"{number}.png")
    (images / "val_map.txt").write_text("".join(f"{number}.png 999\n" for number in range(5)))
    models = [Tiny(batch=batch).save(tmp_path, f"batch{batch}") for batch in (1, 4)]
    done = run_compare(
        *("--profile", "reference-openvino", "--model", *models, "--dataset-path", images),
        *("--cache-dir", tmp_path / "cache", "--queries", 70, "--rounds", 1, "--threads", 1),
        output=tmp_path / "out",
    )
    assert done.status == 0, done.stderr
    text = (done.output / "results.md").read_text(encoding="utf-8")
    (single, fixed) = comparison_of(done).rows
    (chance,) = single.warnings
    assert chance.startswith("Top-1 0/5 is no better than guessing")
    padding, again = fixed.warnings
    assert padding.startswith("210 of 280 computed images only filled up batches")
    assert again == chance
    for shown in (done.stdout, text):
        assert "batch1" in shown
        assert "210 of 280 computed images" in shown
        assert shown.count("no better than guessing") == 1
        assert f"All rows: {chance}" in shown.replace("\\", "")
