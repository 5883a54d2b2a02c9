"""The versions that a result may depend on."""

from collections.abc import Sequence
from importlib import metadata

from mlperf_benchmark import __version__

PRODUCT = f"mlperf-benchmark {__version__}"
PACKAGES = (
    "mlcommons-loadgen",
    "openvino",
    "apache-tvm",
    "apache-tvm-ffi",
    "onnxruntime",
    "onnx",
    "torch",
    "numpy",
    "opencv-python-headless",
    "pillow",
)


def installed_versions(names: Sequence[str]) -> dict[str, str]:
    """Version of each package that is installed; the others are left out."""
    found = {name: list(metadata.distributions(name=name)) for name in names}
    return {
        name: distributions[0].version for name, distributions in found.items() if distributions
    }


def package_versions() -> dict[str, str]:
    """Versions of the packages that take part in a run."""
    return installed_versions(PACKAGES)


def version() -> str:
    """One line for --version."""
    packages = ", ".join(f"{name} {number}" for name, number in package_versions().items())
    return f"{PRODUCT} ({packages})"
