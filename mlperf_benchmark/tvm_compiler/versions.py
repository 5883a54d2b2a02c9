"""The TVM packages that the compiler is known to work with."""

from importlib.metadata import PackageNotFoundError, version

from mlperf_benchmark.core.errors import RunError

TVM = "0.27.0.post1"
TVM_FFI = "0.1.14.post1"
"""Later ones of the 0.1 series, which pip picks by itself, end with a segmentation fault in
`tvm::ffi::ToJSONGraph` when TVM 0.27 serialises a module."""

_PINS = {"apache-tvm": TVM, "apache-tvm-ffi": TVM_FFI}


def check_versions() -> None:
    """Raise RunError, naming the remedy, if another version is installed."""
    for package, wanted in _PINS.items():
        try:
            found = version(package)
        except PackageNotFoundError:
            found = "not installed"
        if found != wanted:
            pins = " ".join(f"{name}=={pin}" for name, pin in _PINS.items())
            raise RunError(f"{package} is {found}, {wanted} is needed: pip install {pins}")
