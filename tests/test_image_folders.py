"""Folders of images as people have them: links, other systems' files, names of all kinds."""

import os
from pathlib import Path

import pytest

from dataset import DATASETS, DatasetConfig
from mlperf_benchmark.core.errors import DatasetError
from mlperf_benchmark.models.prepare.images import load_images, select_images
from tests.synthetic_images import png, write_folder

JUNK = (
    "._0.png",
    ".DS_Store",
    ".ipynb_checkpoints/0-checkpoint.png",
    "__MACOSX/0.png",
    "@eaDir/0.png/SYNOPHOTO_THUMB_M.jpg",
    "Thumbs.db",
    "desktop.ini",
    "notes.txt",
)


def fill(folder: Path, count: int, first: int = 0) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, first + count):
        (folder / f"{number}.png").write_bytes(png(8, 8, number))
    return folder


def strew(folder: Path) -> None:
    for name in JUNK:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"junk")


def names(folder: Path) -> tuple[str, ...]:
    return select_images(folder, None, 0).names


def test_linked_class_folders_count_like_others(tmp_path: Path) -> None:
    fill(tmp_path / "set" / "a", 2)
    fill(tmp_path / "elsewhere", 3)
    (tmp_path / "set" / "b").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "set" / "b again").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "set" / "a" / "loop").symlink_to(tmp_path / "set")
    (tmp_path / "set" / "one.png").symlink_to(tmp_path / "elsewhere" / "0.png")
    assert names(tmp_path / "set") == (
        "a/0.png",
        "a/1.png",
        "b/0.png",
        "b/1.png",
        "b/2.png",
        "one.png",
    )


def test_folder_that_is_a_link_itself(tmp_path: Path) -> None:
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "link").symlink_to(fill(tmp_path / ".hidden" / "set", 2))
    assert names(tmp_path / "link") == ("0.png", "1.png")


def test_shared_images_behind_links_are_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    calibration = select_images(fill(tmp_path / "cal", 3), None, 0)
    evaluation = fill(tmp_path / "eval", 2, first=7)
    calibration.refuse_overlap(evaluation)
    assert "None of them is among the 2 images in " in capsys.readouterr().err
    (evaluation / "linked").symlink_to(tmp_path / "cal")
    with pytest.raises(DatasetError, match="3 of 3 calibration images are evaluation images"):
        calibration.refuse_overlap(evaluation)


def test_what_systems_leave_is_no_image(tmp_path: Path) -> None:
    folder = fill(tmp_path / "set", 1)
    strew(folder)
    (folder / "UPPER.PNG").write_bytes(png(8, 8, 5))
    assert names(folder) == ("0.png", "UPPER.PNG")


@pytest.mark.parametrize("link", ["gone.png", "gone"], ids=["image", "folder"])
def test_link_that_leads_nowhere_is_named(tmp_path: Path, link: str) -> None:
    """Left out in silence it would be a model made from fewer images than its user thinks."""
    folder = fill(tmp_path / "set", 1)
    (folder / link).symlink_to(tmp_path / "nowhere")
    with pytest.raises(DatasetError, match=f"1 of 2 images .*{link}: a link that leads nowhere"):
        load_images(select_images(folder, None, 0), "imagenet", tmp_path / "cache")


def test_folder_that_cannot_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may read every folder, so that the refusal is made up."""
    folder = fill(tmp_path / "set", 1)
    fill(folder / "closed", 1)
    scandir = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(DatasetError, match=r"Cannot read the folder .*closed: Permission denied"):
        select_images(folder, None, 0)


def test_thousand_class_folders_some_of_them_links(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, elsewhere = tmp_path / "set", tmp_path / "elsewhere"
    for index in range(1000):
        place = (elsewhere if index % 4 else folder) / f"n{index:08}"
        fill(place, 1)
        if place.parent != folder:
            folder.mkdir(exist_ok=True)
            (folder / place.name).symlink_to(place)
    strew(folder / "n00000000")
    dataset = DATASETS.load("imagenet")(DatasetConfig(folder, None, tmp_path / "cache", None))
    assert dataset.prepare().count == 1000
    assert dataset.labels.tolist() == [*range(1000)]
    assert f"1000 images in the class folders of {folder}." in capsys.readouterr().err


def test_unreadable_image_of_a_plain_folder_has_no_list(tmp_path: Path) -> None:
    folder = fill(tmp_path / "set", 2)
    (folder / "two words.png").write_bytes(b"")
    with pytest.raises(DatasetError) as error:
        load_images(select_images(folder, None, 0), "imagenet", tmp_path / "cache")
    assert str(error.value) == (
        "1 of 3 images cannot be used: two words.png: empty file. Replace or remove them."
    )


def test_image_that_was_never_fetched_is_told(tmp_path: Path) -> None:
    folder = fill(tmp_path / "set", 1)
    (folder / "a.png").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    with pytest.raises(DatasetError, match=r"a\.png: a Git LFS pointer"):
        load_images(select_images(folder, None, 0), "imagenet", tmp_path / "cache")


def test_list_of_another_folder_is_told(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "set", {f"{i}.JPEG": png(8, 8, i) for i in range(7)})
    (folder / "val").mkdir()
    for image in folder.glob("*.JPEG"):
        image.rename(folder / "val" / image.name)
    with pytest.raises(DatasetError) as error:
        DATASETS.load("imagenet")(DatasetConfig(folder, None, tmp_path / "cache", None)).prepare()
    message = str(error.value)
    assert f"{folder} holds none of the 7 images that {folder / 'val_map.txt'} names" in message
    assert "Give the folder that these names start from" in message
    assert "Replace" not in message


def test_input_is_normalised_as_the_data_set_says(tmp_path: Path) -> None:
    selection = select_images(fill(tmp_path / "set", 3), 2, 0)
    images = load_images(selection, "imagenet_pytorch", tmp_path / "cache")
    assert len(images) == len([*images]) == 2
    assert images[1].shape == (3, 224, 224)
    assert (images[1] == [*images][1]).all()
    assert -2.2 < images[0].min() < images[0].max() < 2.7
    assert str(selection) == f"2 of the 3 images in {tmp_path / 'set'}"
