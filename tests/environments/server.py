"""Runs the commands of one environment in copies of a process that has its packages imported.

Importing torch, NNCF and TVM takes most of the time of a command that makes a small model.
`python -m tests.environments.server SOCKET`, in the checkout whose commands are to be run.
"""

import importlib
import json
import os
import runpy
import socket
import sys
import traceback
from typing import Any

PACKAGES = ("cv2", "nncf", "onnx", "openvino", "torch", "tvm")


def serve(address: str) -> None:
    """Answer requests, one after the other, until the process is ended."""
    for package in PACKAGES:
        importlib.import_module(package)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address)
        listening.listen()
        while True:
            connection, _ = listening.accept()
            with connection:
                content, streams, *_ = socket.recv_fds(connection, 1 << 16, 2)
                while not content.endswith(b"\n"):
                    content += connection.recv(1 << 16)
                child = os.fork()
                if not child:
                    listening.close()
                    _become(json.loads(content), streams)
                for stream in streams:
                    os.close(stream)
                status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
                connection.sendall(str(status).encode())


def _become(request: dict[str, Any], streams: list[int]) -> None:
    """Run the script of the request as its own program; does not return."""
    for standard, stream in enumerate(streams, start=1):
        os.dup2(stream, standard)
    # Those of the server remember what they wrote to, which is of another kind.
    sys.stdout, sys.stderr = (os.fdopen(number, "w", closefd=False) for number in (1, 2))
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv[:] = request["arguments"]
    status: object = 1
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
        status = 0
    except SystemExit as end:
        status = end.code or 0
    except BaseException:  # noqa: BLE001 - the process ends here
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status if isinstance(status, int) else 1)


if __name__ == "__main__":
    serve(sys.argv[1])
