"""Pages as a headless Chromium shows them."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from selenium.webdriver import Chrome, ChromeOptions, ChromeService

PHONE, DESK = (390, 844), (1280, 900)
# As root there is no sandbox; without the others Chromium calls its maker's hosts.
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)


def chromium() -> tuple[str, str] | None:
    """Paths of the browser and its driver, or None where one is not installed."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    driver = shutil.which("chromedriver")
    return (browser, driver) if browser and driver else None


needs_chromium = pytest.mark.skipif(
    chromium() is None, reason="needs chromium and chromedriver (Debian: chromium-driver)"
)


@contextmanager
def opened(page: str, folder: Path) -> Iterator[Chrome]:
    """A browser that shows `page` on a desk; its profile and the page's file are in `folder`."""
    file = folder / "page.html"
    file.write_text(page, encoding="utf-8")
    found = chromium()
    assert found is not None
    options = ChromeOptions()
    options.binary_location = found[0]
    for flag in (*FLAGS, f"--user-data-dir={folder / 'profile'}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = Chrome(options=options, service=ChromeService(found[1]))
    try:
        driver.set_window_size(*DESK)
        driver.get(file.as_uri())
        yield driver
    finally:
        driver.quit()


@contextmanager
def screen(browser: Chrome, size: tuple[int, int]) -> Iterator[None]:
    metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        yield
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def check_width(browser: Chrome, size: tuple[int, int]) -> None:
    """The page is no wider than a screen of `size`."""
    with screen(browser, size):
        width = browser.execute_script("return document.documentElement.scrollWidth")
        assert width <= size[0]


def check_contrast(browser: Chrome, scheme: str, script: str) -> None:
    """In `scheme`, light or dark, the first colour that `script` returns is the background's, from
    which the others stand out.
    """
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    page, *others = (_luminance(colour) for colour in browser.execute_script(script))
    assert (page > 0.5) == (scheme == "light")
    for other in others:
        brighter, darker = max(page, other), min(page, other)
        # WCAG's contrast for text.
        assert (brighter + 0.05) / (darker + 0.05) >= 4.5


def _luminance(colour: str) -> float:
    """WCAG's relative luminance of "rgb(r, g, b)"."""
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
