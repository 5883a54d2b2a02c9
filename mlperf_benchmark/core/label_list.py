"""Which images there are, in which order, and which class each one shows."""

import hashlib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class LabelList:
    """File names relative to the data set folder and 0-based class indices, one per sample.

    `source` is the list file, or the folder whose class folders were counted.
    """

    names: tuple[str, ...]
    labels: tuple[int, ...]
    source: Path

    def text(self) -> str:
        """The list in the form of MLPerf's val_map.txt."""
        pairs = zip(self.names, self.labels, strict=True)
        return "".join(f"{name} {label}\n" for name, label in pairs)

    def sha256(self) -> str:
        return hashlib.sha256(self.text().encode(errors="surrogateescape")).hexdigest()

    def place(self, sample: int) -> str:
        """The sample's name and where the user finds it, for messages."""
        name = self.names[sample]
        return name if self.source.is_dir() else f"{name} ({self.source.name}:{sample + 1})"
