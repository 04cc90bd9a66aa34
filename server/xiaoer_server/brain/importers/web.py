"""Pages of a site, one at a time: judged address, no redirect out of the site, limits of size and time.

A name is resolved once and the connection goes to the address that was judged (`llm.address`), for every request anew.
"""

from __future__ import annotations

from typing import Any, NamedTuple
from urllib.parse import urljoin, urlsplit

import aiohttp

from ...llm.address import ForbiddenAddress, Resolver, resolve
from ...llm.judged import JudgedResolver
from .document import Unreadable

#: Who we say we are, and whom a site's robots.txt names.
AGENT = "xiaoer-import"
USER_AGENT = f"{AGENT}/1 (+https://www.sitemaps.org/protocol.html)"

#: Bytes of a page once unpacked, seconds for it, and redirects within the site.
PAGE_BYTES, PAGE_SECONDS, MOST_REDIRECTS = 5 << 20, 20.0, 3


class Page(NamedTuple):
    """What was fetched. `status` is 200, or 404 and the like where the caller allows it."""

    url: str
    status: int
    kind: str
    charset: str | None
    data: bytes


class Web:
    """Fetches pages of one site.

    Args:
        site: The address whose scheme, host and port all pages must have; https in place of http is allowed.
        allow_private: The operator's word that the site may be on this machine or network.
        resolver: Stands in for the running loop's `getaddrinfo`.
    """

    def __init__(self, site: str, *, allow_private: bool = False, resolver: Resolver | None = None) -> None:
        self._site = urlsplit(site)
        if self._site.scheme not in ("http", "https") or not self._site.hostname:
            raise Unreadable("is no http:// or https:// address")
        if self._site.username is not None or self._site.password is not None:
            raise Unreadable("has a user's name or password in its address")
        self._allow_private = allow_private
        self._resolver = resolver
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Web:
        resolver = JudgedResolver(allow_private=self._allow_private, resolver=self._resolver)
        connector = aiohttp.TCPConnector(resolver=resolver, use_dns_cache=False, limit=2)
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"user-agent": USER_AGENT},
            timeout=aiohttp.ClientTimeout(total=PAGE_SECONDS),
            trust_env=False,
        )
        return self

    async def __aexit__(self, *_: Any) -> None:
        if self._session is not None:
            await self._session.close()

    async def get(self, url: str, *, most: int = PAGE_BYTES, missing: bool = False) -> Page:
        """Fetch a page of the site.

        Args:
            most: Bytes that it may have.
            missing: A page that is not there is told by its status instead of an error.

        Raises:
            Unreadable: why there is no such page, or none that may be fetched.
        """
        for _ in range(MOST_REDIRECTS + 1):
            self._check(url)
            try:
                page, target = await self._once(url, most)
            except ForbiddenAddress as error:
                raise Unreadable(
                    str(error).replace("the provider's setting allow_private", "--allow-private")
                ) from None
            except TimeoutError:
                raise Unreadable(f"does not answer within {PAGE_SECONDS:g} s") from None
            except (aiohttp.ClientError, OSError, ValueError) as error:
                raise Unreadable(f"cannot be fetched: {str(error)[:200] or type(error).__name__}") from None
            if target is not None:
                url = urljoin(url, target)
                continue
            if page.status == 200 or (missing and 400 <= page.status < 500):
                return page
            raise Unreadable(f"is answered with status {page.status}")
        raise Unreadable(f"redirects more than {MOST_REDIRECTS} times")

    def _check(self, url: str) -> None:
        parts = urlsplit(url)
        same = parts.hostname == self._site.hostname and (parts.port or _port(parts.scheme)) in {
            self._site.port or _port(self._site.scheme),
            *((443,) if self._site.port in (None, 80) else ()),
        }
        if parts.scheme not in ("http", "https") or not same or parts.username is not None:
            raise Unreadable("leads out of the site")
        if self._site.scheme == "https" and parts.scheme == "http":
            raise Unreadable("leads from https to http")

    async def _once(self, url: str, most: int) -> tuple[Page, str | None]:
        assert self._session is not None
        parts = urlsplit(url)
        # A literal address never gets to the resolver.
        await resolve(
            parts.hostname or "", parts.port or _port(parts.scheme),
            allow_private=self._allow_private, resolver=self._resolver,
        )  # fmt: skip
        async with self._session.get(url, allow_redirects=False) as response:
            target = response.headers.get("location")
            if response.status in (301, 302, 303, 307, 308) and target:
                return Page(url, response.status, "", None, b""), target
            data = bytearray()
            async for block in response.content.iter_chunked(65_536):
                data += block
                if len(data) > most:
                    raise Unreadable(f"has more than {most >> 20} MB")
            return Page(url, response.status, response.content_type, response.charset, bytes(data)), None


def _port(scheme: str) -> int:
    return 443 if scheme == "https" else 80
