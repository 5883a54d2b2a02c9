"""Renders templates to single HTML files that need no other file and no network."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

SHARED = Path(__file__).parent
STYLE = SHARED / "page.css"
INTERVAL = re.compile(r"\[[^\]]*\]")
UNIT = re.compile(r"(?<=\d)(?<!p\d\d)(?<!p\d\d\.\d) (?=(?:%|×|ms|dB|MB|GB/s|GOP/s)(?!\w))")
JOINT = re.compile(r"(?<=/)(?=\w)|(?<=[^\W_][._])(?=\w)")
"""The positions where a long name may be broken."""


@dataclass(frozen=True)
class Facts:
    """The footer of every page: the machine, the versions and the time of measurement."""

    machine: Sequence[tuple[str, str]]
    versions: Sequence[tuple[str, str]]
    product: str
    created: str


def facts(system: Mapping[str, Any], product: str, created: str) -> Facts:
    """Return the footer's facts; `system` has the fields of core.machine.System."""
    machine = [
        (name.replace("_", " "), value if isinstance(value, str) else json.dumps(value))
        for name, value in system.items()
        if name != "packages" and value is not None
    ]
    return Facts(machine, sorted(system["packages"].items()), product, created)


def render_page(folder: Path, title: str, facts: Facts, **values: Any) -> str:
    """Render page.html of `folder`, which extends layout.html.

    Values are escaped unless they are marked safe.
    """
    environment = Environment(
        loader=FileSystemLoader((folder, SHARED)),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["unbroken"] = _unbroken
    environment.filters["breakable"] = _breakable
    return environment.get_template("page.html").render(title=title, facts=facts, **values)


def _unbroken(text: str) -> str:
    """Replace spaces so that intervals, and numbers with their units, are not broken over lines."""
    text = INTERVAL.sub(lambda found: found[0].replace(" ", "\N{NO-BREAK SPACE}"), text)
    text = text.replace("no difference", "no\N{NO-BREAK SPACE}difference")
    return UNIT.sub("\N{NO-BREAK SPACE}", text)


def _breakable(name: str) -> Markup:
    """Return `name` with line-break opportunities where a reader would break it."""
    return Markup("<wbr>").join(JOINT.split(name))
