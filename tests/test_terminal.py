"""What others say is shown as text: on the terminal, in errors, in tables and files."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from mlperf_benchmark.core.terminal import say, warn
from mlperf_benchmark.core.text import printable
from mlperf_benchmark.core.typed_json import from_plain
from mlperf_benchmark.models.prepare.progress import download_progress
from mlperf_benchmark.run.result import INVALID, Result
from mlperf_benchmark.run.summary import print_summary
from tests.command import run_main
from tests.conftest import Runner

# Markup, an end tag of nothing, a link, a trailing backslash, an emoji code.
TEXTS = ("[/x]", "dir\\[x]", "[red]a[/red]", "[link=http://a]b[/link]", "a\\", "[", ":smile:")
CONTROLS = "\x1b[2J\x1b]0;title\x07\x9b31m\x07\x08\r\u202e"


def shown(text: str, terminal: bool = False) -> str:
    file = io.StringIO()
    say(Console(file=file, force_terminal=terminal, width=40), text)
    return file.getvalue()


@pytest.mark.parametrize("text", [*TEXTS, "long " * 50])
def test_text_is_shown_as_it_stands(text: str) -> None:
    assert shown(text) == f"{text}\n"
    assert shown(text, terminal=True) == f"{text}\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x9b31mred", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]8;;http://a\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bcreset", "reset"),
        ("one\ntwo\r\nthree\tfour\u2028five", "one two  three four five"),
        ("a\x00\x07\x08\x7f\x85b", "a b"),
        ("\u202eevil\u2066", "evil"),
        ("name\udcff", "name\\udcff"),
        ("剪枝 é ×", "剪枝 é ×"),
    ],
)
def test_nothing_moves_the_terminal(text: str, expected: str) -> None:
    assert printable(text) == expected
    assert shown(text) == f"{expected}\n"


def test_a_warning_keeps_its_text() -> None:
    file = io.StringIO()
    warn(Console(file=file), "[/x] " + CONTROLS)
    assert file.getvalue() == "Warning: [/x]  \n"


@pytest.fixture
def result(benchmark: Runner) -> Result:
    """Of a run of the null backend, with all that others say replaced by hostile text."""
    content = benchmark("--profile", "null", "--queries", "100").result
    nasty = f"{CONTROLS}{' '.join(TEXTS)}"
    content["backend"] |= {"name": nasty, "version": nasty, "executed_precision": nasty}
    content["dataset"]["name"] = nasty
    names = ("rule_differences", "invalid_reasons", "warnings")
    content |= {name: [nasty] for name in names} | {"validity": INVALID}
    return from_plain(content, Result)


@pytest.mark.parametrize("terminal", [False, True])
def test_the_summary_shows_what_a_node_says_as_text(result: Result, terminal: bool) -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal, color_system=None, width=200)
    print_summary(result, "dir\\[x]/results.json", console)
    text = file.getvalue()
    for part in TEXTS:
        assert text.count(part) >= 6
    assert "Result: dir\\[x]/results.json\n" in text
    assert all(printable(line) == line for line in text.split("\n"))


def test_an_error_is_one_line_without_control_characters(tmp_path: Path) -> None:
    run = run_main("--profile", "null", "--backend", f"{CONTROLS}[/x]", output=tmp_path / "out")
    assert run.status == 2
    assert run.error.startswith('Unknown backend " [/x]"')
    assert printable(run.error) == run.error


def test_a_path_of_brackets_can_be_used_and_is_named(benchmark: Runner, tmp_path: Path) -> None:
    folder = tmp_path / "out [/x] :smile:"
    run = run_main("--profile", "null", "--queries", "100", output=folder)
    assert run.status == 0
    assert f"Result: {folder}/results.json" in run.stdout
    assert json.loads((folder / "results.json").read_text())["queries"] == 100


def test_a_bar_can_be_named_by_any_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr("rich.console.Console.is_terminal", True)
    with download_progress("weights[/x] {0}") as progress:
        progress(1, 2)
