"""What the documents tell a reader to type works in the environments that they make.

Everything is read out of the files: a new document or command is tested as it is written.
"""

import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from mlperf_benchmark.models.prepare.sample import Sample
from tests.command import ROOT
from tests.environments.checkout import Checkout, checkout
from tests.environments.client import ENVIRONMENTS
from tests.environments.documents import Command, commands, documents, prose
from tests.submit.trees import write_system

NOT_RUN: Mapping[str, str] = MappingProxyType(
    {
        r"\bdocker\b": "wants docker and images from a registry",
        r"mobilenetv3|own-model": "wants a model of the reader's own; test_own_model.py has some",
        r"--endpoint node1:": "wants a cluster; tests/network and tests/network/server drive nodes",
        r"serve\.py start": "does not end by itself; tests/network/server starts servers so",
        r"\bpip install\b": "the environments hold what it would install",
        r"^git clone": "wants a network",
        r"--reconstruct|prepare\.py sensitivity|models/pruned20\.xml": "takes minutes; tests/models"
        " has it on small nets",
        r"compare\.py best": "finds none among runs as short as here; test_best.py asks it",
        r"submission_checker\.main": "is MLCommons' own, with requirements of its own",
        r"^mlperf-": "wants the package installed; test_package.py installs it",
        r"^make (test|lint)\b|-m pytest\b": "runs the tests, of which this is one, or the linters",
    }
)
"""Patterns of commands that cannot be run here, each with its reason."""

SHELL = ("mkdir", "cd", "cp", "export", ".")
MAKE = ("quickstart", "smoke", "results-table", "efficientnet-table")
LINK = re.compile(r"\]\(([^)\s]+)\)")
TYPED = re.compile(r"(\s{4,}|\s*\$ )(\.venv/bin/python|python3|make|docker|git|pip|cd) ")


@pytest.fixture(scope="module")
def clean(
    venvs: Path, sample: Sample, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Checkout]:
    folder = tmp_path_factory.mktemp("checkout")
    with checkout(folder, venvs, sorted(sample.images.glob("*.jpg"))) as made:
        # submission.py writes it as a template for its reader to fill in.
        write_system(made.folder)
        yield made


@pytest.fixture(scope="module")
def followed() -> set[str]:
    """The documents whose commands have been run."""
    return set()


def reason_not_to_run(command: Command) -> str | None:
    return next((why for what, why in NOT_RUN.items() if re.search(what, command.text)), None)


def is_known(command: Command) -> bool:
    """Whether it is one that the checkout's environments run."""
    words = shlex.split(command.text, comments=True)
    while words and re.match(r"[A-Za-z_]+=", words[0]):
        words.pop(0)
    if not words or words[0] in SHELL:
        return True
    if words[0] == "make":
        return words[1] in MAKE
    return words[0] in (".venv/bin/python", "python3", "python") and words[1] in ENVIRONMENTS


def follow(document: str, clean: Checkout, followed: set[str]) -> None:
    if document in followed:
        return
    followed.add(document)
    script = [command.text for command in commands(document) if not reason_not_to_run(command)]
    done = clean.run("\n".join(script))
    assert done.returncode == 0, f"{document}\n{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize("document", documents())
def test_commands_work_where_readme_installs_nothing_else(
    document: str, clean: Checkout, followed: set[str]
) -> None:
    follow("README.md", clean, followed)
    follow(document, clean, followed)


@pytest.mark.parametrize("document", documents())
def test_every_command_is_run_or_has_a_reason(document: str) -> None:
    unknown = [
        f"{document}:{command.line}: {command.text}"
        for command in commands(document)
        if not reason_not_to_run(command) and not is_known(command)
    ]
    assert not unknown


@pytest.mark.parametrize("document", documents())
def test_commands_stand_in_shell_blocks(document: str) -> None:
    """Elsewhere they would not be run."""
    assert not [f"{document}:{number}" for number, line in prose(document) if TYPED.match(line)]


@pytest.mark.parametrize("pattern", NOT_RUN)
def test_reasons_are_those_of_commands(pattern: str) -> None:
    texts = [command.text for document in documents() for command in commands(document)]
    assert any(re.search(pattern, text) for text in texts)


@pytest.mark.parametrize("document", documents())
def test_links_lead_to_files_and_headings(document: str) -> None:
    lost = []
    for number, line in prose(document):
        for target in LINK.findall(line):
            path, _, heading = target.partition("#")
            file = (ROOT / document).parent / path if path else ROOT / document
            there = file.exists() and (not heading or heading in anchors(file))
            if not there and "://" not in target:
                lost.append(f"{document}:{number}: {target}")
    assert not lost


def anchors(file: Path) -> set[str]:
    """Of the headings, as GitHub makes them."""
    lines = prose(str(file.resolve().relative_to(ROOT)))
    headings = [line.lstrip("#").strip() for _, line in lines if line.startswith("#")]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [page for page in documents() if page.startswith("docs/")])
def test_page_begins_with_a_command(page: str) -> None:
    lines = [line for line in (ROOT / page).read_text(encoding="utf-8").splitlines() if line]
    assert lines[0].startswith("# ")
    assert lines[1] == "```sh"


def test_readme_is_short_and_leads_to_every_page() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.encode()) <= 9 * 1024
    assert not [page for page in documents() if page.startswith("docs/") and page not in text]
