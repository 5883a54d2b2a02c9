"""Triton without docker: the server in the package nvidia-pytriton, on this Python's packages.

Only the package's binaries are used, so that it is installed without its dependencies.
"""

import ctypes
import os
import shutil
import sys
import sysconfig
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import NoReturn

from mlperf_benchmark.core.errors import OutputError, UsageError
from mlperf_benchmark.core.files import staged
from mlperf_benchmark.core.requirements import missing_package
from mlperf_benchmark.core.working_folder import clear_leftovers

PACKAGE = "nvidia-pytriton"
STUB = "triton_python_backend_stub"


@dataclass(frozen=True)
class NodeOptions:
    """How to start one node. `address` is as before a port: an IPv6 address in brackets.

    `tritonserver` are further options of Triton's own.
    """

    repository: Path
    id: str
    address: str
    grpc_port: int
    cache_dir: Path
    tritonserver: tuple[str, ...]


def start_triton(options: NodeOptions) -> NoReturn:
    """Become Triton, serving the repository. Raises UsageError where it cannot be started."""
    if not options.repository.is_dir():
        raise UsageError(f"No model repository {options.repository}; serve.py triton writes one.")
    server = server_folder()
    backends = _backends(server, options.cache_dir)
    program = server / "bin" / "tritonserver"
    arguments = {
        "model-repository": options.repository,
        "backend-directory": backends,
        "id": options.id,
        "grpc-address": options.address,
        "grpc-port": options.grpc_port,
        "allow-http": "false",
        "allow-metrics": "false",
    }
    line = [str(program), *(f"--{name}={value}" for name, value in arguments.items())]
    sys.stdout.flush()
    os.execve(program, [*line, *options.tritonserver], os.environ | _environment(server))  # noqa: S606


def server_folder() -> Path:
    """Where the package keeps Triton. Raises UsageError where this Python cannot run it."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    try:
        folder = Path(str(metadata.distribution(PACKAGE).locate_file("pytriton/tritonserver")))
    except metadata.PackageNotFoundError:
        raise UsageError(f"{missing_package(PACKAGE)} See docs/serving.md.") from None
    if not _stub(folder).is_file():
        raise UsageError(f"{PACKAGE} has no python backend for Python {version}.")
    library = sysconfig.get_config_var("INSTSONAME") or f"libpython{version}.so.1.0"
    try:
        ctypes.CDLL(str(Path(_python_libraries(), library)))
    except OSError:
        try:
            ctypes.CDLL(f"libpython{version}.so.1.0")
        except OSError as error:
            raise UsageError(
                f"Triton needs Python as a shared library: {error}. On Debian: apt-get install "
                f"libpython{version}."
            ) from error
    return folder


def _stub(server: Path) -> Path:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return server / "python_backend_stubs" / version / STUB


def _backends(server: Path, cache_dir: Path) -> Path:
    """Triton's folder of backends, with the stub for this Python beside the python backend."""
    stub = _stub(server)
    folder = cache_dir / "triton" / f"{metadata.version(PACKAGE)}-python{stub.parent.name}"
    if folder.is_dir():
        clear_leftovers(folder.parent)
        return folder.resolve()
    try:
        with staged(folder.parent) as staging:
            python = staging / folder.name / "python"
            shutil.copytree(server / "backends" / "python", python)
            shutil.copy2(stub, python)
            (python / STUB).chmod(0o755)
    except OutputError:
        # Another node that started at the same time may have been faster; its files are the same.
        if not folder.is_dir():
            raise
    return folder.resolve()


def _environment(server: Path) -> dict[str, str]:
    libraries = [
        server.parents[1] / "nvidia_pytriton.libs",
        server / "external_libs",
        server / "lib",
        _python_libraries(),
        os.environ.get("LD_LIBRARY_PATH", ""),
    ]
    return {
        "LD_LIBRARY_PATH": ":".join(str(path) for path in libraries if str(path)),
        # Triton's embedded interpreter takes the packages of the python3 that it finds there, and
        # no notice of PYTHONPATH.
        "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}",
    }


def _python_libraries() -> str:
    return str(sysconfig.get_config_var("LIBDIR") or "")
