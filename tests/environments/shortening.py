"""How the commands of the documents become short ones that need nothing from elsewhere.

Runs in every environment: imports the standard library alone.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

OVERWRITING = ("main.py", "prepare.py", "finetune.py")
"""Commands whose outputs another document makes, too."""

QUERIES = "8"
IMAGES = "4"

WEIGHTS: Mapping[str, str] = MappingProxyType(
    {
        "torchvision": "random",  # a download of 98 MB
        "resnet50-0676ba61.pth": "random",  # files that the reader has
        "FILE": "random",
    }
)
VALUES: Mapping[str, str] = MappingProxyType(
    {
        "--time": "1",
        "--queries": QUERIES,
        "--epochs": "1",
        "--batch-size": "4",
        "--workers": "1",
        "--calibration-count": IMAGES,
    }
)
"""Of options that say how much is done."""

FURTHER: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "compare.py": ("--rounds", "1"),
        "submission.py": ("--time", "1", "--rehearsal", "--scenarios", "SingleStream"),
    }
)


def shortened(arguments: Sequence[str], data: str) -> list[str]:
    """The script and its arguments; `data` is the folder that stands for /data."""
    script = arguments[0]
    short = [script]
    previous = ""
    for argument in arguments[1:]:
        value = VALUES.get(previous, argument)
        if previous == "--weights":
            value = WEIGHTS.get(value, value)
        short.append(value.replace("/data/", f"{data}/"))
        previous = argument
    if script in OVERWRITING and "--overwrite" not in short:
        short.append("--overwrite")
    if "--calibration-path" in short and "--calibration-count" not in short:
        short += ("--calibration-count", IMAGES)
    if script == "prepare.py" and "tvm" in short:
        short += ("--batches", "1")
    if not {"check", "show", "--check", "--plan"} & set(short):
        short += FURTHER.get(script, ())
    return short
