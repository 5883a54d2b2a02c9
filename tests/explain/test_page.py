"""explain.html as a file, and as headless Chromium shows it."""

import re
from collections.abc import Iterator

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from mlperf_benchmark.core.layer_profile import ELEMENTWISE
from mlperf_benchmark.core.typed_json import from_json
from mlperf_benchmark.explain.output.csv_file import render as render_csv
from mlperf_benchmark.explain.output.page import render
from mlperf_benchmark.explain.record import Explanation
from tests.explain.records import explanation, layer, variant
from tests.pages.browser import (
    DESK,
    PHONE,
    check_contrast,
    check_width,
    needs_chromium,
    opened,
)
from tests.pages.structure import check_alone, check_whole

NASTY = '<img src=x onerror="alert(1)">'


@pytest.fixture(scope="module")
def explained() -> Explanation:
    conv = layer("layer1.0.conv1", 2.0, origins=("/layer1/layer1.0/conv1/Conv", "/relu/Relu"))
    before = variant("fp32", conv, layer("conv2", 2.0), layer("fc", 0.5))
    half = layer("layer1.0.conv1", 1.0, macs=conv.macs // 2, output_channels=37)
    after = variant(
        NASTY, half, layer("relu", 0.3, kind=ELEMENTWISE, macs=0, gops=None), layer("conv2", 2.5)
    )
    return explanation(before, after)


@pytest.fixture(scope="module")
def page(explained: Explanation) -> str:
    return render(explained)


def test_the_record_is_read_back_as_it_was(explained: Explanation) -> None:
    assert from_json(explained.to_json(), Explanation) == explained


def test_the_page_is_whole_and_needs_no_other_file(page: str) -> None:
    check_whole(page)
    check_alone(page)


def test_names_cannot_become_markup_or_control_sequences(explained: Explanation, page: str) -> None:
    assert "<img" not in page
    named = explanation(variant("a\x1b[31m", layer("conv", 1.0)))
    assert "\x1b" not in render(named)
    assert "\x1b" not in render_csv(named)


def test_figures_and_fused_operators_are_told_in_words(page: str) -> None:
    roofline, bars = re.findall(r'role="img" aria-label="([^"]+)"', page)
    assert bars.startswith("Time of layers: conv2 2.000 ms in fp32, 2.500 ms in ")
    assert "f32 200 GOP/s at most" in roofline
    assert "relu within layer1.0.conv1 in fp32" in bars


def test_powers_of_ten_are_plain_numbers(page: str) -> None:
    """Text is not read as matplotlib's mathematical markup, which its own labels of them are."""
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", page)
    assert {"100", "1000"} <= set(texts)
    assert not any("$" in text for text in texts)


def test_long_names_break_where_a_reader_would_break_them(page: str) -> None:
    assert '<th scope="row">layer1.<wbr>0.<wbr>conv1</th>' in page


@pytest.fixture(scope="module")
def browser(page: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with opened(page, tmp_path_factory.mktemp("page")) as driver:
        yield driver


@needs_chromium
def test_it_loads_without_errors_and_both_tables_sort(browser: Chrome) -> None:
    assert browser.execute("getLog", {"type": "browser"})["value"] == []
    tables = browser.find_elements(By.CSS_SELECTOR, "table.sortable")
    assert len(tables) == 2
    for table in tables:
        heading = table.find_element(By.XPATH, ".//thead//button[text()='ms']")
        heading.click()
        heading.click()
        cells = table.find_elements(By.CSS_SELECTOR, "tbody tr td:nth-of-type(1)")
        times = [float(cell.text) for cell in cells if cell.get_attribute("data-value")]
        assert times == sorted(times, reverse=True)
        assert len(times) == 3


@needs_chromium
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_bars_stand_out(browser: Chrome, scheme: str) -> None:
    script = """
        const colour = (element, name) => getComputedStyle(element)[name];
        const bar = document.querySelector(
            "svg[aria-label^='Time of layers'] path[style*='--series']");
        return [colour(document.body, "backgroundColor"), colour(document.body, "color"),
                colour(document.querySelector("figure svg text"), "fill"), colour(bar, "fill"),
                colour(document.querySelector("figcaption"), "color")];
    """
    check_contrast(browser, scheme, script)


@needs_chromium
@pytest.mark.parametrize("size", [PHONE, DESK])
def test_the_page_is_never_wider_than_the_screen(browser: Chrome, size: tuple[int, int]) -> None:
    check_width(browser, size)
