"""Pixels equal those of the reference; damaged files are found."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from dataset import DATASETS, Dataset, DatasetConfig
from mlperf_benchmark.core.errors import DatasetError
from tests.synthetic_images import jpeg, picture, png, write_folder

FIXTURES = Path(__file__).parent / "fixtures"
REAL_IMAGES = Path(__file__).parents[2] / "shared" / "imagenet-300" / "val"
NAMES = (
    "imagenet",
    "imagenet_pytorch",
    "imagenet_efficientnet_lite",
    "imagenet_efficientnet_lite1",
    "imagenet_efficientnet_lite2",
    "imagenet_deit",
)
# DeiT's resize and crop are those of Lite0, its normalisation is torchvision's.
SAME_PIXELS = {"imagenet_deit": "imagenet_efficientnet_lite"}


def prepared(name: str, folder: Path, cache: Path) -> Dataset:
    dataset: Dataset = DATASETS.load(name)(DatasetConfig(folder, None, cache, None))
    dataset.prepare()
    return dataset


@pytest.mark.parametrize("name", NAMES)
def test_pixels_equal_the_references(name: str, tmp_path: Path) -> None:
    """The hashes are of what MLPerf's own functions gave, before they subtract the mean.

    `pre_process_vgg` and `pre_process_imagenet_pytorch` of the reference app, the latter with
    torchvision 0.24; EfficientNet-Lite by torchvision's resize (bicubic) and center_crop.
    Names like 500x375 are computed pictures of that size; the others are files: greyscale,
    CMYK, progressive, rotated by EXIF, PNG under a JPEG name, palette, 16 bits, transparent.
    """
    golden = json.loads((FIXTURES / "golden_pixels.json").read_text())
    images = {}
    for image in golden:
        if "." in image:
            images[image] = (FIXTURES / "images" / image).read_bytes()
        else:
            width, height = map(int, image.split("x"))
            images[image] = png(width, height)
    dataset = prepared(name, write_folder(tmp_path / "set", images), tmp_path / "cache")
    hashes = {
        image: hashlib.sha256(row.tobytes()).hexdigest()
        for image, row in zip(images, dataset.load(range(len(images))), strict=True)
    }
    same = SAME_PIXELS.get(name, name)
    assert hashes == {image: golden[image][same] for image in images}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("imagenet", "e18ef99ad4d271a6a1c168c5fdb768cc8e8c4bdb03a4053854ddaa582e72f47c"),
        ("imagenet_pytorch", "ae82f4ffaa9b548cae80d63162bdf22dcf8bffe055253aad9c51771acc028683"),
        (
            "imagenet_efficientnet_lite",
            "dcde14983c56c95209448a8f61dd17b229f29d01ff11f652b3a4a7d21bac7b8d",
        ),
        (
            "imagenet_efficientnet_lite1",
            "b7861bc5dd4b5c015900c44fbaef225a46169e37281932ef61306bfb898b5398",
        ),
        (
            "imagenet_efficientnet_lite2",
            "ed0a9555b33b6d8376ef4b45471402747fbaf8e1f9ab46d1d982eccc8650111d",
        ),
    ],
)
def test_pixels_of_photographs_equal_the_references(
    name: str, expected: str, tmp_path: Path
) -> None:
    """200 photographs, a few of them greyscale; the hash is of all their pixels in order."""
    if not REAL_IMAGES.is_dir():
        pytest.skip(f"{REAL_IMAGES} is missing")
    dataset = prepared(name, REAL_IMAGES, tmp_path)
    assert hashlib.sha256(dataset.load(range(200)).tobytes()).hexdigest() == expected


@pytest.mark.parametrize(
    ("name", "black", "white"),
    [
        ("imagenet", (-123.68, -116.78, -103.94), (131.32, 138.22, 151.06)),
        ("imagenet_pytorch", (-2.1179, -2.0357, -1.8044), (2.2489, 2.4286, 2.64)),
        ("imagenet_deit", (-2.1179, -2.0357, -1.8044), (2.2489, 2.4286, 2.64)),
        ("imagenet_efficientnet_lite", (-127 / 128,) * 3, (1.0, 1.0, 1.0)),
    ],
)
def test_normalisation_is_that_of_the_reference(
    name: str, black: tuple[float, ...], white: tuple[float, ...]
) -> None:
    image = DATASETS.load(name).image
    mean, std = np.array(image.mean), np.array(image.std)
    assert np.allclose((0 - mean) / std, black, atol=1e-4)
    assert np.allclose((255 - mean) / std, white, atol=1e-4)


ZERO_TAIL = jpeg(400, 300)[:6000] + bytes(8000)
WITH_THUMBNAIL = jpeg(400, 300)[:2] + b"\xff\xe1" + (len(jpeg()) + 2).to_bytes(2, "big") + jpeg()
DAMAGED: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "empty file"),
    "text": (b"404 not found", "truncated, damaged or no image"),
    "page": (
        b"<html>404 not found</html>",
        "a web page, not the file itself (download that from an address that needs no login, or in"
        " a browser)",
    ),
    "start_alone": (jpeg()[:3], "truncated JPEG"),
    "headers_alone": (jpeg()[:300], "truncated JPEG"),
    "half": (jpeg(400, 300)[: len(jpeg(400, 300)) // 2], "truncated JPEG"),
    "end_marker_cut": (jpeg()[:-2], "truncated JPEG"),
    "last_byte_cut": (jpeg()[:-1], "truncated JPEG"),
    "zero_tail": (ZERO_TAIL, "truncated JPEG"),
    "end_marker_in_thumbnail": (WITH_THUMBNAIL + jpeg(400, 300)[2:6000], "truncated JPEG"),
    "png_half": (png()[:150], "truncated, damaged or no image"),
    "png_end_cut": (png()[:-4], "truncated, damaged or no image"),
    "png_flipped_byte": (png()[:150] + b"\x55" + png()[151:], "truncated, damaged or no image"),
    "strip": (png(2500, 2), "2500 x 2 pixels are a strip, not a picture"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_damaged_image_is_named_with_its_line(
    case: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data, reason = DAMAGED[case]
    folder = write_folder(tmp_path / "set", {"good.JPEG": jpeg(), "bad.JPEG": data})
    with pytest.raises(DatasetError) as error:
        prepared("imagenet", folder, tmp_path / "cache")
    assert f"1 of 2 images cannot be used: bad.JPEG (val_map.txt:2): {reason}." in str(error.value)
    assert all(line.startswith(("Preprocessing", "The image decoders")) for line in _stderr(capfd))


def _stderr(capfd: pytest.CaptureFixture[str]) -> list[str]:
    return capfd.readouterr().err.splitlines()


def test_sound_jpegs_with_odd_surroundings_are_read(tmp_path: Path) -> None:
    """A thumbnail in the headers, bytes after the end and fill bytes between headers."""
    sound = jpeg(400, 300)
    images = {
        "plain.JPEG": sound,
        "thumbnail.JPEG": WITH_THUMBNAIL + sound[2:],
        "trailer.JPEG": sound + b"trailer" * 50,
        "fill.JPEG": sound[:2] + b"\xff" * 3 + sound[2:],
    }
    dataset = prepared("imagenet", write_folder(tmp_path / "set", images), tmp_path / "cache")
    rows = dataset.load(range(4))
    assert (rows == rows[0]).all()


def test_decoder_warnings_go_to_a_file(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    sound = jpeg()
    folder = write_folder(tmp_path / "set", {"a.JPEG": sound[:-2] + b"abcdef" + sound[-2:]})
    prepared("imagenet", folder, tmp_path / "cache")
    (log,) = tmp_path.glob("cache/**/decoder.log")
    assert "extraneous bytes" in log.read_text()
    first, second = _stderr(capfd)
    assert first.startswith("Preprocessing 1 of 1 images")
    assert str(log) in second


def test_all_bad_images_are_counted_and_some_named(tmp_path: Path) -> None:
    images = {f"{i}.JPEG": b"no image" if i % 2 else jpeg() for i in range(20)}
    folder = write_folder(tmp_path / "set", images)
    with pytest.raises(DatasetError) as error:
        prepared("imagenet", folder, tmp_path / "cache")
    message = str(error.value)
    assert message.startswith("10 of 20 images cannot be used: 1.JPEG (val_map.txt:2): ")
    assert "and 5 more" in message
    assert "\n" not in message


def test_missing_images_are_named_before_any_work(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "set", {f"{i}.JPEG": jpeg() for i in range(3)})
    (folder / "1.JPEG").unlink()
    (folder / "2.JPEG").unlink()
    (folder / "2.JPEG").mkdir()
    with (folder / "val_map.txt").open("a") as file:
        file.write(f"{'x' * 300} 3\n")
    with pytest.raises(DatasetError) as error:
        prepared("imagenet", folder, tmp_path / "cache")
    message = str(error.value)
    assert "3 of 4 images cannot be used: 1.JPEG (val_map.txt:2): no such file or dir" in message
    assert "2.JPEG (val_map.txt:3): not a regular file" in message
    assert "(val_map.txt:4): file name too long" in message
    assert not (tmp_path / "cache").exists()


def test_replaced_image_is_preprocessed_anew(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "set", {"a.JPEG": b"no image", "b.JPEG": png(256, 256)})
    with pytest.raises(DatasetError):
        prepared("imagenet", folder, tmp_path / "cache")
    (folder / "a.JPEG").write_bytes(png(256, 256, seed=7))
    row = prepared("imagenet", folder, tmp_path / "cache").load([0])[0]
    assert (row == picture(256, 256, seed=7)[16:240, 16:240]).all()
