"""TLS and tokens. Certificates are made by openssl for the test."""

import json
import shutil
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mlperf_benchmark.core.errors import ModelError, UsageError
from tests.conftest import Runner
from tests.network.nodes import LOOPBACK, PROFILE, endpoints, started
from tests.network.test_node_checks import load, refusal

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
        untrusted = refusal(node.endpoint, tls_ca=other)
        plain = refusal(node.endpoint)
        named = node.endpoint.replace("127.0.0.1", "localhost")
        misnamed = refusal(named, tls_ca=path)
    shows = "shows a certificate that is not trusted"
    assert untrusted.startswith(f"Node {node.endpoint} {shows}: self")
    assert plain == (
        f"Node {node.endpoint} speaks TLS: give --tls-ca FILE, the certificates to trust."
    )
    assert misnamed.startswith(f"Node {named} {shows}: Hostname mismatch")


def test_node_without_encryption_is_named(benchmark: Runner, tmp_path: Path) -> None:
    """In one line: gRPC's own log stays out of it."""
    path, _ = certificate(tmp_path, "node")
    with started(tmp_path) as node:
        arguments = (*PROFILE, "--scenario", "Offline", *endpoints([node]))
        done = benchmark(*arguments, "--tls-ca", path)
    assert done.status == 2
    assert done.error.startswith(f"Node {node.endpoint} does not speak TLS: leave out --tls-ca")


def test_https_port_is_named(tmp_path: Path) -> None:
    path, key = certificate(tmp_path, "node")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path, key)
    with ThreadingHTTPServer((LOOPBACK, 0), BaseHTTPRequestHandler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        endpoint = f"{LOOPBACK}:{server.server_port}"
        encrypted, plain = refusal(endpoint, tls_ca=path), refusal(endpoint)
        server.shutdown()
    assert encrypted.startswith(f"Node {endpoint} does not offer HTTP/2 over TLS")
    assert plain.startswith(f"Node {endpoint} speaks TLS: give --tls-ca FILE")


def test_files_that_are_no_certificates_are_named(tmp_path: Path) -> None:
    path, key = certificate(tmp_path, "node")
    _, other_key = certificate(tmp_path, "other")
    locked, text, folder = tmp_path / "locked.key", tmp_path / "text", tmp_path / "folder"
    subprocess.run(
        ["openssl", "pkey", "-in", key, "-aes256", "-passout", "pass:x", "-out", locked],
        check=True,
        capture_output=True,
    )
    text.write_text("no certificate\n")
    folder.mkdir()
    for files, reason in (
        ({"tls_ca": text}, f"--tls-ca {text} holds no certificate in PEM format"),
        ({"tls_ca": folder}, f"Cannot read --tls-ca {folder}"),
        ({"tls_cert": text, "tls_key": key}, f"--tls-cert {text} holds no certificate"),
        ({"tls_cert": path, "tls_key": path}, f"--tls-key {path} holds no private key"),
        ({"tls_cert": path, "tls_key": other_key}, "are of different key pairs"),
        ({"tls_cert": path, "tls_key": locked}, f"--tls-key {locked} is encrypted"),
    ):
        with pytest.raises(UsageError, match=reason):
            load("127.0.0.1:1", **{"tls_ca": path, **files})


def test_token_that_is_none_is_named(tmp_path: Path) -> None:
    path, _ = certificate(tmp_path, "node")
    token = tmp_path / "token"
    for content in ("gehéim", "two\nlines"):
        token.write_text(content, encoding="utf-8")
        with pytest.raises(UsageError, match=f"--token-file {token} holds no token"):
            load("127.0.0.1:1", tls_ca=path, token_file=token)


def test_client_shows_its_certificate(tmp_path: Path) -> None:
    path, key = certificate(tmp_path, "node")
    mine, my_key = certificate(tmp_path, "client")
    with started(tmp_path, "--certificate", path, "--key", key, "--client-ca", mine) as node:
        assert load(node.endpoint, tls_ca=path, tls_cert=mine, tls_key=my_key).nodes
        without = refusal(node.endpoint, tls_ca=path)
        foreign = refusal(node.endpoint, tls_ca=path, tls_cert=path, tls_key=key)
    assert "--tls-cert FILE --tls-key FILE" in without
    assert foreign == f"Node {node.endpoint} does not accept the client's certificate (--tls-cert)."
