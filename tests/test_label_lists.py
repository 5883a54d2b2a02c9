"""Which samples a folder gives, in which order, with which labels."""

from pathlib import Path

import pytest

from dataset import DATASETS, Dataset, DatasetConfig, DatasetInfo
from mlperf_benchmark.core.errors import DatasetError
from tests.synthetic_images import jpeg, png, write_folder


def prepare(
    folder: Path, image_list: Path | None = None, count: int | None = None
) -> tuple[Dataset, DatasetInfo]:
    cache = folder.parent / "cache"
    dataset: Dataset = DATASETS.load("imagenet")(DatasetConfig(folder, image_list, cache, count))
    return dataset, dataset.prepare()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three images without a list."""
    images = {name: png(8, 8, seed) for seed, name in enumerate(("a.JPEG", "b.JPEG", "c.JPEG"))}
    folder = write_folder(tmp_path / "set", images)
    (folder / "val_map.txt").unlink()
    return folder


def test_val_map_comes_before_val(folder: Path) -> None:
    (folder / "val.txt").write_text("a.JPEG 1\n")
    assert prepare(folder)[0].labels.tolist() == [1]
    (folder / "val_map.txt").write_text("b.JPEG 2\nc.JPEG 3\n")
    dataset, info = prepare(folder)
    assert dataset.labels.tolist() == [2, 3]
    assert info.labels_from == str(folder / "val_map.txt")


def test_given_list_comes_first(folder: Path, tmp_path: Path) -> None:
    (folder / "val_map.txt").write_text("b.JPEG 2\n")
    given = tmp_path / "mine.txt"
    given.write_text("c.JPEG 999\na.JPEG 0\n")
    dataset, info = prepare(folder, image_list=given)
    assert dataset.labels.tolist() == [999, 0]
    assert info.labels_from == str(given)


def test_samples_are_the_lines(folder: Path) -> None:
    """In the order of the list, images of a name given twice included."""
    (folder / "val_map.txt").write_text("c.JPEG 3\na.JPEG 1\nb.JPEG 2\na.JPEG 1\n")
    dataset, info = prepare(folder)
    assert info.count == 4
    by_line = dataset.load([0, 1, 2, 3])
    (folder / "val_map.txt").write_text("a.JPEG 1\nb.JPEG 2\nc.JPEG 3\n")
    by_name = prepare(folder)[0].load([2, 0, 1, 0])
    assert (by_line == by_name).all()


def test_count_takes_the_first_lines(folder: Path) -> None:
    (folder / "val_map.txt").write_text("a.JPEG 5\nb.JPEG 6\nmissing.JPEG nonsense\n")
    dataset, info = prepare(folder, count=2)
    assert info.count == 2
    assert dataset.labels.tolist() == [5, 6]


def test_windows_text_tabs_and_names_with_blanks(folder: Path) -> None:
    (folder / "a.JPEG").rename(folder / "a b.JPEG")
    (folder / "val_map.txt").write_bytes(b"\xef\xbb\xbfa b.JPEG\t7\r\nb.JPEG  8\r\n\r\n")
    assert prepare(folder)[0].labels.tolist() == [7, 8]


@pytest.mark.parametrize(
    ("text", "line", "complaint"),
    [
        ("a.JPEG 0\nb.JPEG 1000\n", 2, "label 1000 is not in 0 to 999"),
        ("a.JPEG -1\n", 1, "label -1 is not in 0 to 999"),
        ("a.JPEG 0\n\nb.JPEG 1\n", 2, "blank line"),
        ("\na.JPEG 0\n", 1, "blank line"),
        ("a.JPEG cat\n", 1, 'label "cat" is not a whole number'),
        ("a.JPEG 1.0\n", 1, 'label "1.0" is not a whole number'),
        ("a.JPEG 0\nb.JPEG\n", 2, '"b.JPEG" alone'),
        ("a.JPEG 0\nb.JPEG 1\na.JPEG 2\n", 3, "a.JPEG has label 2 here and 0 in line 1"),
    ],
)
def test_bad_line_is_named(folder: Path, text: str, line: int, complaint: str) -> None:
    file = folder / "val_map.txt"
    file.write_text(text)
    with pytest.raises(DatasetError) as error:
        prepare(folder)
    assert str(error.value).startswith(f"{file}:{line}: {complaint}")
    assert not (folder.parent / "cache").exists()


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "names no images"),
        (b"\n \n", "names no images"),
        (b"\xff\xfe\x00\x01", "is not a text file in UTF-8"),
    ],
)
def test_list_that_is_no_list(folder: Path, data: bytes, complaint: str) -> None:
    (folder / "val_map.txt").write_bytes(data)
    with pytest.raises(DatasetError, match=complaint):
        prepare(folder)


def test_missing_folder_and_list(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"nowhere does not exist"):
        prepare(tmp_path / "nowhere")
    with pytest.raises(DatasetError, match=r"Cannot read .*none\.txt: No such file"):
        prepare(folder, image_list=tmp_path / "none.txt")
    with pytest.raises(DatasetError, match="File name too long"):
        prepare(tmp_path / ("x" * 300))
    with pytest.raises(DatasetError, match=r"looked for val_map.txt, val.txt and class folders"):
        prepare(folder)


@pytest.mark.parametrize("count", [0, -1, 4])
def test_count_must_be_available(folder: Path, count: int) -> None:
    (folder / "val_map.txt").write_text("a.JPEG 1\nb.JPEG 2\nc.JPEG 3\n")
    with pytest.raises(DatasetError, match=rf"{count} images were asked for, but .* names 3\."):
        prepare(folder, count=count)


def test_class_folders_are_counted_in_the_order_of_their_ids(tmp_path: Path) -> None:
    """1000 folders with one image each, and one with three; the list is kept in the cache."""
    folder = tmp_path / "set"
    for index in range(999, -1, -1):
        wordnet_id = folder / f"n{1440764 + 37 * index:08}"
        wordnet_id.mkdir(parents=True)
        (wordnet_id / "2.JPEG").write_bytes(jpeg(2, 2))
    first = folder / "n01440764"
    (first / "1.JPEG").write_bytes(jpeg(2, 2))
    (first / "10.JPEG").write_bytes(jpeg(2, 2))
    (first / ".hidden").touch()
    (folder / "notes").mkdir()
    dataset, info = prepare(folder)
    assert dataset.labels.tolist() == [0, 0, 0, *range(1, 1000)]
    assert info.labels_from == str(folder)
    (kept,) = tmp_path.glob("cache/**/val_map.txt")
    lines = kept.read_text().splitlines()
    assert lines[:4] == [
        "n01440764/1.JPEG 0",
        "n01440764/10.JPEG 0",
        "n01440764/2.JPEG 0",
        "n01440801/2.JPEG 1",
    ]
    again, info_again = prepare(folder, image_list=kept)
    assert info_again.list_sha256 == info.list_sha256
    assert (again.labels == dataset.labels).all()


def test_some_class_folders_do_not_tell_the_labels(tmp_path: Path) -> None:
    for wordnet_id in ("n01440764", "n02102040"):
        (tmp_path / "set" / wordnet_id).mkdir(parents=True)
    with pytest.raises(DatasetError, match=r"holds 2 class folders, not 1000.*--dataset-list"):
        prepare(tmp_path / "set")
