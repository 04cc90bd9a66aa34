"""The connections of the webhooks. Imported at the first call: a server without webhooks need not wait for aiohttp."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import aiohttp

from ..llm.judged import JudgedResolver


class Answered(NamedTuple):
    """An answer; `body` is cut one byte after as many as were allowed."""

    status: int
    encoding: str
    body: bytes


class Unreachable(OSError):
    """There was no connection, or it broke."""


class Malformed(Exception):
    """What came back is not HTTP, or not all of it; or the address is none."""


class Connections:
    """Kept connections, those that may lead into the inner network apart from the others."""

    def __init__(self) -> None:
        self._sessions: dict[bool, aiohttp.ClientSession] = {}

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, *, private: bool, most: int) -> Answered:
        """POST once, following no redirect.

        Raises:
            ForbiddenAddress: The name resolves to an address that is not public, and `private` is false.
            Unreachable: there was no connection, or it broke.
            Malformed: what came back is not HTTP, or the address is none.
        """
        try:
            async with self._session(private).post(url, data=body, headers=headers, allow_redirects=False) as response:
                encoding = response.headers.get("content-encoding", "identity")
                data = bytearray()
                async for piece in response.content.iter_any():
                    data += piece
                    if len(data) > most:
                        break
                return Answered(response.status, encoding, bytes(data[: most + 1]))
        except (aiohttp.ClientConnectionError, OSError) as error:
            raise Unreachable(type(error).__name__) from error
        except (aiohttp.ClientError, ValueError) as error:
            raise Malformed(type(error).__name__) from error

    async def close(self) -> None:
        """Close all of them."""
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()

    def _session(self, private: bool) -> aiohttp.ClientSession:
        session = self._sessions.get(private)
        if session is None:
            resolver = JudgedResolver(allow_private=private)
            connector = aiohttp.TCPConnector(resolver=resolver, use_dns_cache=False, limit=100, limit_per_host=20)
            session = self._sessions[private] = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                timeout=aiohttp.ClientTimeout(total=None),
                auto_decompress=False,
            )
        return session
