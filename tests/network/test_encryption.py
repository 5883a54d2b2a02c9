"""TLS and tokens. Certificates are made by openssl for the test."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from mlperf_benchmark.core.errors import ModelError, UsageError
from tests.conftest import Runner
from tests.network.nodes import PROFILE, endpoints, started
from tests.network.test_node_checks import load

TOKEN = "secret-of-the-test"
pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A self-signed one for the loopback, and its key."""
    path, key = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", f"/CN={name}"),
            *("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(path)),
        ],
        check=True,
        capture_output=True,
    )
    return path, key


def test_token_goes_over_tls_and_into_no_result(benchmark: Runner, tmp_path: Path) -> None:
    path, key = certificate(tmp_path, "node")
    token = tmp_path / "token"
    token.write_text(f"{TOKEN}\n")
    with started(tmp_path, "--certificate", path, "--key", key, "--token", TOKEN) as node:
        done = benchmark(
            *(*PROFILE, "--count", 5, "--scenario", "Offline", "--queries", 20),
            *(*endpoints([node]), "--tls-ca", path, "--token-file", token),
        )
        with pytest.raises(ModelError, match="UNAUTHENTICATED: no token"):
            load(node.endpoint, tls_ca=path)
    assert done.status == 0, done.stderr
    assert done.result["config"]["network"]["token_file"] == str(token)
    assert TOKEN not in json.dumps(done.result)


def test_token_may_come_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, key = certificate(tmp_path, "node")
    monkeypatch.setenv("KSERVE_TOKEN", TOKEN)
    with started(tmp_path, "--certificate", path, "--key", key, "--token", TOKEN) as node:
        assert load(node.endpoint, tls_ca=path).nodes
        # A token that anybody on the way could read is not sent.
        with pytest.raises(UsageError, match="--tls-ca"):
            load(node.endpoint)


def test_node_that_cannot_be_trusted_is_refused(tmp_path: Path) -> None:
    path, key = certificate(tmp_path, "node")
    other, _ = certificate(tmp_path, "other")
    with started(tmp_path, "--certificate", path, "--key", key) as node:
        with pytest.raises(ModelError, match=f"Node {node.endpoint} cannot be reached"):
            load(node.endpoint, tls_ca=other)
        with pytest.raises(ModelError, match=f"Node {node.endpoint} "):
            load(node.endpoint)


def test_client_shows_its_certificate(tmp_path: Path) -> None:
    path, key = certificate(tmp_path, "node")
    mine, my_key = certificate(tmp_path, "client")
    with started(tmp_path, "--certificate", path, "--key", key, "--client-ca", mine) as node:
        assert load(node.endpoint, tls_ca=path, tls_cert=mine, tls_key=my_key).nodes
        with pytest.raises(ModelError):
            load(node.endpoint, tls_ca=path)
