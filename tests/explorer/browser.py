"""A headless Chromium, and what tests do with it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]


@contextmanager
def chromium() -> Iterator[Any]:
    """The system's Chromium; a test without one is skipped."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("there is no Chromium (Debian package chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        browser.close()


@contextmanager
def opened(browser: Any, address: str, errors: tuple[str, ...] = (), **options: Any) -> Any:
    """A page on the address; whatever it complains of beyond ``errors`` fails the test."""
    context = browser.new_context(viewport={"width": 1400, "height": 1000}, **options)
    page = context.new_page()
    complaints: list[str] = []
    page.on(
        "console",
        lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None,
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(address)
    page.wait_for_selector("main, .problem")
    yield page
    context.close()
    unexpected = [c for c in complaints if not any(known in c for known in errors)]
    assert not unexpected, unexpected


def address(index: Path, fragment: str = "") -> str:
    """Of the page on disk."""
    return f"file://{index.resolve()}" + (f"#{fragment}" if fragment else "")


def number(text: str) -> float:
    """A number as the page writes it."""
    text = text.split("±")[0].strip().replace("−", "-")
    if "·10" in text:
        mantissa, raised = text.split("·10")
        return float(mantissa) * 10.0 ** int(
            raised.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789"))
        )
    return float(text)


def shown(page: Any, name: str) -> float:
    """The number that the page shows under a name."""
    return number(page.locator(f'[data-number="{name}"]').first.inner_text())
