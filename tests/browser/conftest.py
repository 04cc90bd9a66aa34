"""A real Chromium, shared by the browser tests, and the servers that its pages come from."""

from __future__ import annotations

import asyncio
import inspect
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from fake_chat_server import FakeServer
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect
from widget_page import PATIENCE, NewPage

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # One browser for all needs one loop for all.
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and inspect.iscoroutinefunction(getattr(item, "function", None)):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)
            item.add_marker(pytest.mark.services)


def require_chromium() -> str:
    """Path of the browser; without one the tests skip, or fail where services are required."""
    path = os.environ.get("XIAOER_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if path:
        return path
    message = "Chromium is not installed: apt-get install chromium, or name one in XIAOER_CHROMIUM"
    if os.environ.get("XIAOER_REQUIRE_SERVICES") == "1":
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    path = require_chromium()
    # Patience costs nothing where things go well, and a busy machine is no failure.
    expect.set_options(timeout=PATIENCE * 1000)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        await browser.close()


@pytest.fixture
def new_page(browser: Browser) -> NewPage:
    """`async with new_page(**context options) as page`; a script error on the page fails the test."""

    @asynccontextmanager
    async def make(**options: Any) -> AsyncIterator[Page]:
        options = {"locale": "en-GB", "viewport": {"width": 1280, "height": 800}, **options}
        context: BrowserContext = await browser.new_context(**options)
        context.set_default_timeout(PATIENCE * 1000)
        page = await context.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text) if "Security Policy" in message.text else None)
        try:
            yield page
            assert not errors
        finally:
            await context.close()

    return make


@pytest_asyncio.fixture(loop_scope="session")
async def fake() -> AsyncIterator[FakeServer]:
    server = FakeServer()
    await server.start()
    server.embed(server.url, 'data-open data-lang="en"')
    try:
        yield server
    finally:
        await server.stop()
        await asyncio.sleep(0)


@pytest_asyncio.fixture(loop_scope="session")
async def host() -> AsyncIterator[FakeServer]:
    """A second origin: somebody else's site."""
    server = FakeServer()
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
