"""The versions that decide about a result."""

from importlib import metadata

PRODUCT = "mlperf-benchmark 0.1.0"
PACKAGES = (
    "mlcommons-loadgen",
    "openvino",
    "apache-tvm",
    "numpy",
    "opencv-python-headless",
    "pillow",
)


def package_versions() -> dict[str, str]:
    """Installed version of each package that takes part in a run; absent ones are left out."""
    installed = {name: list(metadata.distributions(name=name)) for name in PACKAGES}
    return {name: found[0].version for name, found in installed.items() if found}


def version() -> str:
    """One line for --version."""
    packages = ", ".join(f"{name} {number}" for name, number in package_versions().items())
    return f"{PRODUCT} ({packages})"
