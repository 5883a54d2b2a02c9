"""report.html as a file, and as headless Chromium shows it."""

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from benchmarks.report_figure import standalone
from mlperf_benchmark.compare.agreement import Agreement
from mlperf_benchmark.compare.columns import model_rows
from mlperf_benchmark.compare.output.report.figures import drawings, pareto_front
from mlperf_benchmark.compare.output.report.page import render
from mlperf_benchmark.compare.paired_accuracy import difference
from mlperf_benchmark.compare.record import Comparison, Row
from mlperf_benchmark.run.result import ColdStart
from tests.compare.stored import (
    comparison_with,
    row_of,
    stored,
    swept_comparison,
    with_costs,
)
from tests.pages.browser import (
    DESK,
    PHONE,
    check_contrast,
    check_width,
    needs_chromium,
    opened,
    screen,
)
from tests.pages.structure import check_alone, check_whole

NAMES = [
    *("one thread, SingleStream (baseline)", "two threads, SingleStream", "missing, SingleStream"),
    *("one thread, Offline (baseline)", "two threads, Offline", "missing, Offline"),
]


@pytest.fixture(scope="module")
def page() -> str:
    return render(with_costs(stored()))


def test_the_page_is_whole_html(page: str) -> None:
    check_whole(page)


def test_the_page_needs_no_other_file(page: str) -> None:
    check_alone(page)
    assert len(page) < 500_000


def test_names_cannot_become_markup(page: str) -> None:
    assert "<missing>" not in page
    nasty = row_of('<img src=x onerror="alert(1)">', [1.0] * 6)
    assert "<img" not in render(comparison_with(nasty, row_of("b", [1.1] * 6, baseline=[1.0] * 6)))


def test_any_name_can_be_drawn(recwarn: pytest.WarningsRecorder) -> None:
    """Signs of mathematical text, letters of other scripts, names of several lines, and those that
    matplotlib leaves out of legends.
    """
    base = [1.0, 1.1, 1.0, 1.05, 1.0, 1.1]
    names = (
        "_hidden",
        "$a$ and $b_{$",
        "\\frac{1}{",
        "剪枝",
        "a very long name that has to be broken" * 3,
    )
    rows = [row_of(name, base, baseline=base, good=700) for name in names]
    page = render(comparison_with(row_of("a", base, good=700), *rows))
    for name in names[:4]:
        assert page.count(name) > 4
    assert page.count("\N{WORD JOINER}_hidden") > 3
    assert not recwarn.list


def test_every_figure_is_told_in_words(page: str) -> None:
    alts = re.findall(r'role="img" aria-label="([^"]+)"', page)
    assert len(alts) == page.count("<svg ") == 11
    speedup = next(alt for alt in alts if alt.startswith("Speed-up, Offline"))
    assert "two threads 1.4" in speedup
    start = next(alt for alt in alts if alt.startswith("Cold start, SingleStream"))
    assert "one thread read 0.02, compile 0.40, first inference 0.05 s" in start
    memory = next(alt for alt in alts if alt.startswith("Memory, Offline"))
    assert "two threads model 240, peak 540 MB" in memory


def test_costs_are_drawn_of_rows_that_have_them() -> None:
    loaded = ColdStart(None, None, 0.1, 0.3, None)
    rows = (
        row_of("a", [1.0], cold_start=loaded),
        row_of("b", [2.0], baseline=[1.0], cold_start=ColdStart(0.2, None, 0.1, 0.3, None)),
        row_of("c", [2.0], baseline=[1.0]),
    )
    page = render(comparison_with(*rows))
    assert "a load 0.20, first inference 0.10 s; b read 0.20, first inference 0.10 s." in page
    assert "Memory, SingleStream" not in page
    assert "Compile" not in page


def test_sweeps_are_drawn_as_lines_and_told_in_words() -> None:
    page = render(swept_comparison())
    alts = re.findall(r'role="img" aria-label="([^"]+)"', page)
    rate = next(alt for alt in alts if alt.startswith("Latency over rate, Server"))
    assert "int8: 50: 0.4762 and 0.4762, 100: 0.625" in rate
    threads = next(alt for alt in alts if alt.startswith("By threads, Offline"))
    assert "fp32, 2 streams: 1: 7.143, 2: 4.167" in threads
    assert any(alt.startswith("By streams, Offline") for alt in alts)
    assert "times as fast as the baseline at the same rate" in page


def test_every_cell_can_be_reproduced(page: str) -> None:
    for row in stored().rows:
        assert f"python3 main.py {' '.join(row.command[2:])}" in page


def test_a_comparison_without_figures_has_a_page_too() -> None:
    rows = [
        dataclasses.replace(row, failure="no such file", measurements=[], subject=None)
        for row in stored().rows
    ]
    page = render(dataclasses.replace(stored(), rows=rows, order=[]))
    assert "nothing to draw" in page
    assert "no such file" in page


def test_one_round_and_no_accuracy_draw_what_there_is() -> None:
    rows = (row_of("a", [1.0]), row_of("b", [2.0], baseline=[1.0]))
    page = render(comparison_with(*rows))
    assert page.count("<svg ") == 3
    assert "Accuracy against speed" not in page


def test_the_pareto_front_leaves_out_what_is_beaten() -> None:
    points = [(1.0, 70.0), (2.0, 75.0), (3.0, 74.0), (2.0, 60.0), (4.0, 76.0)]
    assert pareto_front(points, higher_is_better=False) == [(1.0, 70.0), (2.0, 75.0), (4.0, 76.0)]
    assert pareto_front(points, higher_is_better=True) == [(4.0, 76.0)]


def made_by(name: str, latency: float, good: int, **pruning: object) -> Row:
    """A row whose model has a description, pruned where `pruning` is given."""
    subject = row_of(name, [latency]).subject
    assert subject is not None
    described = {
        "architecture": name.split(maxsplit=1)[0],
        "precision": "int8" if "INT8" in name else "fp32",
        "pruning": pruning or None,
        "quantization": {"quantizer": "nncf"} if "INT8" in name else None,
    }
    model = {**(subject.model or {}), "description": described}
    return row_of(name, [latency] * 6, good=good, subject=dataclasses.replace(subject, model=model))


def test_each_model_is_described_once_whatever_is_swept() -> None:
    rows = swept_comparison().rows
    assert len(rows) == 12
    assert [row.variant for row in model_rows(rows)] == ["fp32", "int8"]


def test_each_algorithm_has_a_line_and_the_unpruned_models_one_together() -> None:
    l2: dict[str, object] = {"method": "l2", "scope": "uniform"}
    obs: dict[str, object] = {"method": "obs", "scope": "fisher", "reconstruct": True}
    figure = next(
        drawing
        for drawing in drawings(
            comparison_with(
                made_by("lite0", 4, 900),
                made_by("lite2", 8, 920),
                made_by("lite0 l2 -10", 3.5, 800, **l2),
                made_by("lite0 l2 -20", 3, 700, **l2),
                made_by("lite0 obs -10", 3.4, 890, **obs),
                made_by("lite0 obs -10 INT8", 1.7, 888, **obs),
            )
        )
        if drawing.title.startswith("Accuracy")
    )
    lines = figure.alt.removeprefix(f"{figure.title}: ").split("; ")
    assert [line.split(":")[0] for line in lines] == [
        "unpruned",
        "l2, uniform",
        "obs, fisher, reconstruction",
        "obs, fisher, reconstruction, INT8 by nncf",
    ]
    assert lines[0].index("lite0") < lines[0].index("lite2")
    assert all(line.split(":")[0] in figure.svg for line in lines)


@pytest.fixture(scope="module")
def browser(page: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with opened(page, tmp_path_factory.mktemp("report")) as driver:
        yield driver


def column(browser: Chrome, heading: str) -> list[str]:
    """The texts of one column, as they stand."""
    script = """
        const table = document.getElementById("table");
        const names = [...table.tHead.rows[0].cells].map((cell) => cell.textContent.trim());
        return [...table.tBodies[0].rows].map((row) => row.cells[names.indexOf(arguments[0])])
            .map((cell) => cell.textContent.trim());
    """
    texts: list[str] = browser.execute_script(script, heading)
    return texts


def press(browser: Chrome, heading: str) -> str | None:
    """Select a heading; returns the sorting that it announces."""
    button = browser.find_element(By.XPATH, f"//thead//button[text()='{heading}']")
    button.click()
    return button.find_element(By.XPATH, "..").get_attribute("aria-sort")


@needs_chromium
def test_the_page_loads_without_console_errors(browser: Chrome) -> None:
    assert browser.title == stored().title
    script = "return performance.getEntriesByType('resource').length"
    assert browser.execute("getLog", {"type": "browser"})["value"] == []
    assert browser.execute_script(script) == 0


@needs_chromium
def test_the_table_sorts_by_numbers_and_by_words_both_ways(browser: Chrome) -> None:
    assert column(browser, "Variant") == NAMES
    assert press(browser, "samples/s") == "ascending"
    rates = [float(text) for text in column(browser, "samples/s")[:4]]
    assert rates == sorted(rates)
    # What has no figure comes last, either way.
    assert column(browser, "samples/s")[4:] == ["-", "-"]
    assert press(browser, "samples/s") == "descending"
    assert [float(text) for text in column(browser, "samples/s")[:4]] == rates[::-1]
    assert column(browser, "samples/s")[4:] == ["-", "-"]
    assert press(browser, "Variant") == "ascending"
    assert column(browser, "Variant") == sorted(NAMES)
    assert len(browser.find_elements(By.CSS_SELECTOR, "th[aria-sort]")) == 1


@needs_chromium
def test_figures_are_there_and_not_empty(browser: Chrome) -> None:
    script = """
        return [...document.querySelectorAll("figure svg")].map((svg) => {
          const box = svg.getBoundingClientRect();
          const lines = [...svg.querySelectorAll("path[style*='--series']")];
          const shown = lines.filter((line) => line.getBBox().width + line.getBBox().height > 0);
          return [box.width, box.height, shown.length, svg.querySelectorAll("text").length];
        });
    """
    figures = browser.execute_script(script)
    assert len(figures) == 11
    for width, height, shown, texts in figures:
        assert width > 300
        assert height > 50
        assert shown > 0
        assert texts > 4


@needs_chromium
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_lines_stand_out_in_light_and_in_dark(browser: Chrome, scheme: str) -> None:
    script = """
        const colour = (element, name) => getComputedStyle(element)[name];
        const line = document.querySelector("figure svg path[style*='--series']");
        const text = document.querySelector("figure svg text");
        return [colour(document.body, "backgroundColor"), colour(document.body, "color"),
                colour(text, "fill"), colour(line, "stroke"),
                colour(document.querySelector("caption"), "color"),
                colour(document.querySelector("tr.failed td"), "color")];
    """
    check_contrast(browser, scheme, script)


@needs_chromium
@pytest.mark.parametrize("size", [PHONE, DESK])
def test_the_page_is_never_wider_than_the_screen(browser: Chrome, size: tuple[int, int]) -> None:
    check_width(browser, size)


def varied() -> Comparison:
    """Rows that differ in all that has a column of its own."""
    base = [24.0, 24.1, 23.9, 24.2, 23.8, 24.0, 24.1]
    rows = [row_of("OpenVINO FP32", base, good=750, accuracy_points=0.0)]
    for place, (name, times) in enumerate((("pruned 50 %, OpenVINO INT8", 3), ("TVM FP32", 1))):
        row = row_of(
            name,
            [value / times for value in base],
            baseline=base,
            good=749,
            accuracy_points=-0.1,
            accuracy_difference=difference(13, 14, 1000),
            agreement=Agreement(948, 1000, 0.9931, 1000, []),
        )
        subject = row.subject
        assert subject is not None
        assert subject.model is not None
        description = subject.model["description"] | {
            "precision": "int8",
            "size": {"parameters": 4_359_128, "gmacs": 0.19 + place},
            "pruning": {"method": "activation", "scope": "isomorphic", "reconstruct": True},
            "fine_tuning": {"epochs": 30},
            "quantization": {"quantizer": "onnxruntime"},
            "making": {"seconds": 1234.5, "images": 1000},
        }
        subject = dataclasses.replace(
            subject,
            backend=subject.backend | {"name": "tvm", "threads": place + 2},
            model=subject.model | {"bytes": 9_000_000 + place, "description": description},
        )
        runs = [dataclasses.replace(run, validity="INVALID") for run in row.measurements]
        rows.append(dataclasses.replace(row, subject=subject, measurements=runs))
    return comparison_with(*rows)


@needs_chromium
def test_all_columns_fit_a_desk_and_those_that_answer_a_phone(
    browser: Chrome, tmp_path: Path
) -> None:
    page = tmp_path / "varied.html"
    page.write_text(render(with_costs(varied())), encoding="utf-8")
    address = browser.current_url
    browser.get(page.as_uri())
    script = """
        return ["table", "models-table"].map((id) =>
            [...document.getElementById(id).tHead.rows[0].cells].map(
                (cell) => [cell.textContent.trim(), cell.getBoundingClientRect().right]));
    """
    try:
        with screen(browser, DESK):
            measured, models = browser.execute_script(script)
            assert {name for name, _ in measured} & {name for name, _ in models} == {"Variant"}
            assert len(measured) + len(models) >= 25
            assert max(measured[-1][1], models[-1][1]) <= DESK[0]
        with screen(browser, PHONE):
            answer = browser.execute_script(script)[0][:4]
            assert [name for name, _ in answer][2:] == ["Top-1", "p50 ms"]
            assert answer[-1][1] <= PHONE[0]
    finally:
        browser.get(address)


@needs_chromium
def test_a_screen_reader_finds_headers_and_names(browser: Chrome) -> None:
    nodes = browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    roles: dict[str, list[str]] = {}
    for node in nodes:
        if not node.get("ignored"):
            name = node.get("name", {}).get("value", "")
            roles.setdefault(node["role"]["value"], []).append(name)
    assert "samples/s" in roles["columnheader"]
    assert "missing, Offline" in roles["rowheader"]
    assert all(roles["image"])
    assert len(roles["image"]) == 11
    assert stored().title in roles["heading"]
    assert "main" in roles


def test_no_value_is_left_unformatted(page: str) -> None:
    for word in ("None", "Undefined", "nan", "NaN"):
        assert not re.search(rf">\s*{word}\s*<", page)


@needs_chromium
def test_lines_of_sweeps_are_shown(browser: Chrome, tmp_path: Path) -> None:
    file = tmp_path / "sweeps.html"
    file.write_text(render(swept_comparison()), encoding="utf-8")
    browser.get(file.as_uri())
    script = """
        const figures = [...document.querySelectorAll("figure")];
        return figures.map((figure) => [figure.querySelector("h3").textContent,
            new Set([...figure.querySelectorAll("svg g[id*=line2d] > path[style*='--series']")]
                .filter((line) => line.getBBox().width > 20)
                .map((line) => line.getAttribute("style"))).size]);
    """
    drawn = dict(browser.execute_script(script))
    # Two models, p50 and p99; two numbers of streams; three of threads.
    assert drawn["Latency over rate, Server"] == 4
    assert drawn["By threads, Offline"] == 2
    assert drawn["By streams, Offline"] == 3
    assert browser.execute("getLog", {"type": "browser"})["value"] == []


def test_figure_stands_alone_as_a_picture() -> None:
    drawing = next(one for one in drawings(stored()) if one.title.startswith("Speed-up"))
    picture = standalone(drawing)
    root = ElementTree.fromstring(picture)
    assert root.get("width")
    assert "two threads" in (root.get("aria-label") or "")
    # What only the page's style sheet gives a value.
    assert "var(" not in picture
    assert "currentColor" not in picture
