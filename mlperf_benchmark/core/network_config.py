"""How served nodes are reached."""

from dataclasses import dataclass
from pathlib import Path

NODE_LOSS = ("fail", "continue")
PIXELS = "pixels"
JPEG = "jpeg"
PAYLOADS = (PIXELS, JPEG)


@dataclass(frozen=True)
class NetworkConfig:
    """The nodes that serve one model, and how to treat them.

    `endpoints` are host:port. `deadline` is in seconds, from sending a request to its answer;
    `in_flight` bounds the unanswered requests of each node. `on_node_loss` "fail" ends the run
    with the node, "continue" sends its requests to the others. The token itself is read from
    `token_file` or the environment when the connection is made, and stands in no result.
    """

    endpoints: tuple[str, ...]
    served_model: str
    deadline: float
    in_flight: int
    on_node_loss: str
    payload: str
    tls_ca: Path | None
    tls_cert: Path | None
    tls_key: Path | None
    token_file: Path | None
