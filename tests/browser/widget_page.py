"""What the tests see of the widget, and what they do with it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TypeVar

from playwright.async_api import Locator, Page

Seen = TypeVar("Seen")

#: The fixture `new_page`: an open page of a browser context of its own, with the options given.
NewPage = Callable[..., AbstractAsyncContextManager[Page]]

#: Seconds that anything may take.
PATIENCE = 20.0

ARTIFACTS = Path(__file__).parents[2] / "artifacts"

ROWS = """() => [...document.querySelector("xiaoer-chat").shadowRoot.querySelectorAll(".row")].map((row) => [
  row.classList[1], row.querySelector(".text").innerText])"""


def part(page: Page, selector: str) -> Locator:
    """An element of the widget; selectors reach into its shadow root."""
    return page.locator(f"xiaoer-chat {selector}")


async def rows(page: Page) -> list[list[str]]:
    """The log as the visitor sees it: [role, text] from top to bottom."""
    seen: list[list[str]] = await page.evaluate(ROWS)
    return seen


async def eventually(look: Callable[[], Awaitable[Seen]], want: Seen | Callable[[Seen], bool]) -> Seen:
    """Look until it is what we want; the last sight is in the failure."""
    seen: Seen | None = None
    for _ in range(int(PATIENCE / 0.04)):
        seen = await look()
        if want(seen) if callable(want) else seen == want:
            return seen
        await asyncio.sleep(0.04)
    raise AssertionError(f"never came to {want!r}; last seen: {seen!r}")


async def rows_become(page: Page, *want: tuple[str, str]) -> None:
    await eventually(lambda: rows(page), [list(row) for row in want])


async def say(page: Page, text: str) -> None:
    await part(page, "textarea").fill(text)
    await part(page, "textarea").press("Enter")
