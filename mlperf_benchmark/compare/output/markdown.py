"""results.md: the table as GitHub shows it."""

from mlperf_benchmark.compare.best import sentences
from mlperf_benchmark.compare.columns import footnote, needed_columns, remarks
from mlperf_benchmark.compare.record import Comparison
from mlperf_benchmark.core.legible import legible


def render(comparison: Comparison) -> str:
    """Columns in which all rows agree are a line above the table."""
    comparison = legible(comparison)
    columns, common = needed_columns(comparison)
    lines = [f"## {_plain(comparison.title)}", ""]
    for sentence in sentences(comparison):
        lines += [f"**{_plain(sentence)}**", ""]
    if common:
        lines += [f"All rows: {_plain(common)}.", ""]
    lines.append(_line([column.title for column in columns]))
    lines.append(_line(["---:" if column.number else "---" for column in columns]))
    lines += [_line([_plain(column.text(row)) for column in columns]) for row in comparison.rows]
    lines += ["", _plain(footnote(comparison)), ""]
    lines += [f"- {_plain(sentence)}" for sentence in comparison.explanation]
    lines += [""] if comparison.explanation else []
    system = comparison.system
    lines += [
        _plain(
            f"{comparison.created}, {comparison.product}, {system['cpu_model']}, "
            f"{system['usable_cpus']} usable CPUs, {system['os']}."
        ),
        "",
    ]
    lines += [f"- {_plain(remark)}" for remark in remarks(comparison)]
    return "\n".join(lines).rstrip() + "\n"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _plain(text: str) -> str:
    """Escape what Markdown would take for a cell's border or for markup."""
    for letter in "\\|<*_`~&#":
        text = text.replace(letter, f"\\{letter}")
    # Links, images and what they refer to; plain brackets are those of intervals.
    for sign in ("](", "][", "]:"):
        text = text.replace(sign, f"]\\{sign[1]}")
    return " ".join(text.split())
