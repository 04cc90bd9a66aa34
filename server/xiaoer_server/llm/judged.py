"""aiohttp's way of looking names up, put under the guard of addresses. Imported where a connection is about to be made.

A name is looked up once for each connection, and the connection goes to the address that was judged (`address`).
"""

from __future__ import annotations

import socket

from aiohttp.abc import AbstractResolver, ResolveResult

from .address import Resolver, resolve


class JudgedResolver(AbstractResolver):
    """Answers with addresses that were judged, or with ForbiddenAddress, which aiohttp lets through as it is.

    aiohttp asks no resolver about a literal address: callers judge the host of their URL themselves.

    Args:
        allow_private: Every address passes.
        resolver: Stands in for the running loop's `getaddrinfo`.
    """

    def __init__(self, *, allow_private: bool, resolver: Resolver | None = None) -> None:
        self._allow_private = allow_private
        self._resolver = resolver

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """See aiohttp. Raises ForbiddenAddress and OSError."""
        addresses = await resolve(host, port, allow_private=self._allow_private, resolver=self._resolver)
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in addresses
        ]

    async def close(self) -> None:
        """Nothing is kept."""
