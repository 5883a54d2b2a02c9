"""What would fail after hours is refused in the first second."""

from pathlib import Path

import pytest

from tests.submit.trees import submit, write_system
from tests.synthetic_images import jpeg, write_folder


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("--profile null", "synthetic has no labels"),
        ("--profile null --dataset imagenet --dataset-path {images} --division closed", "1 images"),
        ("--profile reference-openvino --model none.xml --dataset-path {images}", "not exist"),
        ("--profile null --dataset imagenet --dataset-path {images}/no", "does not exist"),
    ],
)
def test_what_must_fail_is_refused_before_the_first_run(
    line: str, named: str, tmp_path: Path
) -> None:
    images = write_folder(tmp_path / "images", {"one.JPEG": jpeg()})
    done = submit(
        *line.format(images=images).split(),
        *("--system", write_system(tmp_path), "--output", tmp_path / "output"),
    )
    assert done.returncode == 2
    assert named in done.stderr
    assert not done.stdout
    assert not (tmp_path / "output" / "runs").exists()
