"""Whether an address can be listened on, asked before anything else is begun."""

from __future__ import annotations

import socket


def why_not(host: str, port: int) -> str | None:
    """What keeps a server from listening there; None if nothing does."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen(1)
    except OSError as error:
        return error.strerror or str(error)
    return None
