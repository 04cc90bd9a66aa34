"""The third kind of encoder: somebody else's OpenAI-compatible `/embeddings`. For the model process, not the chat's.

The model's folder holds `remote.json` in place of weights. Its key is never in the folder: an environment variable that
the file names has it. What comes back is treated as foreign: its size, its count, its order and its numbers.
"""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import aiohttp
import msgspec
import numpy as np
from msgspec import Meta

from ..llm.address import ForbiddenAddress, check_literal
from ..llm.judged import JudgedResolver
from .interface import Vectors
from .manifest import ModelRefused

FILE = "remote.json"

#: Seconds for one answer; a caller's own deadline is shorter.
SECONDS = 10.0

#: Bytes of an answer. 16 texts of 4,096 dimensions are about a megabyte.
LARGEST = 16_777_216


class Remote(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`remote.json`.

    Args:
        base_url: As OpenAI's clients have it, such as https://api.example.com/v1.
        model: Its name there.
        key_env: Name of the environment variable with the key; empty where none is wanted.
        allow_private: Whether it may be in a private network or on this machine.
    """

    base_url: Annotated[str, Meta(pattern=r"^https?://[^\s?#@]+$", max_length=2_000)]
    model: Annotated[str, Meta(min_length=1, max_length=200)]
    key_env: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_]*$", max_length=200)] = ""
    allow_private: bool = False


class _Row(msgspec.Struct):
    index: int
    embedding: list[float]


class _Answer(msgspec.Struct):
    data: list[_Row]


class RemoteFailed(Exception):
    """This call brought nothing; the next may. The message has no key and nothing of the texts."""


class RemoteEngine:
    """Asks it, from whichever thread; an event loop of its own does the waiting.

    Raises:
        ModelRefused: `remote.json` is not one, or the variable with the key is not set.
    """

    def __init__(self, folder: Path) -> None:
        try:
            self._remote = msgspec.json.decode((folder / FILE).read_bytes(), type=Remote)
            parts = urlsplit(self._remote.base_url)
            self._host, _ = parts.hostname or "", parts.port  # raises where it is none
        except OSError as error:
            raise ModelRefused(f"{folder / FILE}: {error.strerror}") from error
        except (msgspec.MsgspecError, ValueError) as error:
            raise ModelRefused(f"{folder / FILE}: {error}") from error
        self._headers = {}
        if self._remote.key_env:
            key = os.environ.get(self._remote.key_env, "")
            if not key or not key.isascii() or not key.isprintable():
                raise ModelRefused(f"{folder / FILE}: the environment has no usable {self._remote.key_env}")
            self._headers["Authorization"] = f"Bearer {key}"
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="embeddings", daemon=True).start()

    def run(self, texts: list[str]) -> Vectors:
        """Vectors in the texts' order, of any length, shape (len(texts), dimensions).

        Raises:
            RemoteFailed: refused, unreachable, too late, or no embeddings.
        """
        return asyncio.run_coroutine_threadsafe(self._ask(texts), self._loop).result(SECONDS + 5)

    def close(self) -> None:
        """End its loop; it cannot be asked any more."""
        self._loop.call_soon_threadsafe(self._loop.stop)

    async def _ask(self, texts: list[str]) -> Vectors:
        try:
            async with asyncio.timeout(SECONDS):
                content = await self._post(texts)
            rows = sorted(msgspec.json.decode(content, type=_Answer).data, key=lambda row: row.index)
        except TimeoutError:
            raise RemoteFailed(f"{self._host}: no answer within {SECONDS:g} s") from None
        except ForbiddenAddress as error:
            raise RemoteFailed(str(error)) from error
        except (aiohttp.ClientError, OSError) as error:
            raise RemoteFailed(f"{self._host}: {type(error).__name__}") from error
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise RemoteFailed(f"{self._host}: answered with what are no embeddings") from None
        lengths = {len(row.embedding) for row in rows}
        if [row.index for row in rows] != list(range(len(texts))) or len(lengths) != 1 or 0 in lengths:
            raise RemoteFailed(f"{self._host}: answered with other embeddings than were asked for")
        return np.array([row.embedding for row in rows], np.float32)

    async def _post(self, texts: list[str]) -> bytes:
        remote = self._remote
        check_literal(self._host, allow_private=remote.allow_private)
        resolver = JudgedResolver(allow_private=remote.allow_private)
        connector = aiohttp.TCPConnector(resolver=resolver, use_dns_cache=False, force_close=True)
        async with (
            aiohttp.ClientSession(connector=connector, headers=self._headers) as session,
            session.post(
                f"{remote.base_url.rstrip('/')}/embeddings",
                json={"model": remote.model, "input": texts, "encoding_format": "float"},
                allow_redirects=False,
            ) as response,
        ):
            if response.status != 200:
                raise RemoteFailed(f"{self._host}: answered with status {response.status}")
            content = bytearray()
            async for part in response.content.iter_any():
                content += part
                if len(content) > LARGEST:
                    raise RemoteFailed(f"{self._host}: its answer is longer than {LARGEST} bytes")
            return bytes(content)
