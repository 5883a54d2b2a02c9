"""Comparisons that ask explain.py for the reasons."""

from pathlib import Path

from tests.compare.command import comparison_of, run_compare
from tests.tiny_models import Tiny

MATRIX = """\
explain = true
rounds = 1
accuracy = false
[run]
profile = "{profile}"
dataset = "synthetic"
queries = 64
cache_dir = "{folder}"
{variants}
"""
VARIANT = """\
[[variant]]
name = "the {name}"
model = "{folder}/{name}.xml"
"""


def matrix(folder: Path, profile: str, variants: str) -> Path:
    file = folder / "matrix.toml"
    file.write_text(MATRIX.format(folder=folder, profile=profile, variants=variants))
    return file


def test_the_report_says_where_the_time_goes_of_what_could_be_run(tmp_path: Path) -> None:
    for name in ("first", "second"):
        Tiny().save(tmp_path, name)
    (tmp_path / "broken.xml").write_text("no model")
    variants = "".join(
        VARIANT.format(name=name, folder=tmp_path) for name in ("first", "second", "broken")
    )
    run = run_compare(matrix(tmp_path, "pytorch-openvino", variants), output=tmp_path / "output")
    assert run.status == 1
    told = comparison_of(run).explanation
    assert told[0].startswith("the second: expected 1.00 × by multiply-accumu")
    assert (run.output / "explain" / "explain.html").is_file()
    for name in ("results.md", "report.html"):
        assert "by multiply" in (run.output / name).read_text(encoding="utf-8")
    assert told[0] in run.stdout


def test_it_says_why_where_there_is_nothing_to_explain(tmp_path: Path) -> None:
    variants = '[[variant]]\nname = "first"\n[[variant]]\nname = "second"\n'
    run = run_compare(matrix(tmp_path, "null", variants), output=tmp_path / "output")
    assert run.status == 0, run.stderr
    assert comparison_of(run).explanation == [
        "Layers are not explained: no model runs on a backend that reports their times."
    ]
