"""What a model file shall be made from and how."""

from dataclasses import dataclass
from pathlib import Path

from contracts.errors import UsageError
from contracts.registry import known_name
from modelfiles.formats import BACKEND_FORMATS

PRECISIONS = ("fp32",)


@dataclass(frozen=True)
class Recipe:
    """One model file. `format` None stands for the one that the backend prefers."""

    model: str
    weights: str
    seed: int
    backend: str
    format: str | None
    precision: str
    output: Path
    name: str | None
    cache_dir: Path
    overwrite: bool

    @property
    def file_format(self) -> str:
        """Name of the model file format. Raises UsageError for one the backend cannot read."""
        formats = BACKEND_FORMATS[known_name("backend", self.backend, BACKEND_FORMATS)]
        if self.format is None:
            return formats[0]
        if self.format not in formats:
            raise UsageError(
                f"The backend {self.backend} does not read {self.format} files;"
                f" --format may be {', '.join(formats)}."
            )
        return self.format

    @property
    def stem(self) -> str:
        """File name without suffix."""
        return self.name or f"{self.model}_{self.precision}"
