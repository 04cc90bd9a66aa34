"""An OpenAI-compatible model server that says what it is told, at the pace and with the faults it is told.

    python -m benches.load.simulator --tokens 100 --rate 20 --first-token 0.05 --fault stall:0.01

serves `POST /v1/chat/completions` (also streamed, with tools and several choices), `POST /v1/embeddings`,
`GET /v1/models` and `GET /v1/models/NAME`, and prints one line with its address when it is ready. In a test:
`async with Simulator(tokens=40, rate=200) as simulator: simulator.base_url`.

One request's reply and fault can be chosen, in this order, by the header `x-simulate: stall`, by markers in the
user's last messages (`[[fault:stall]]`, `[[reply:Exactly this.]]`), by a script (`POST /_script ["500", "ok", …]`,
one a request), or they come by rate. `faults.py` lists the kinds. A request with `tools` whose user says
`[[tool:name {"a": 1}]]` gets that call, or several. `GET /_requests` gives the last 100 request bodies,
`GET /_headers` the last 100 paths under /v1 with the headers that came. `stop()` and `start()` take the server away
and bring it back on the same port.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from random import Random
from typing import Any

import msgspec

from benches.load.connection import Connection, Head
from benches.load.drafts import Draft
from benches.load.faults import Fault, draw, parse
from benches.load.replies import MODEL, sample
from benches.load.wheel import Wheel


class Simulator:
    """The server and what it was told.

    Args:
        tokens: Tokens of a reply that wasn't given.
        rate: Tokens a second in one stream; 0 is as fast as they can be written.
        jitter: How far a token may come from its time, as a share of the time between two.
        first_token: Seconds to the first token.
        slow_first: The same, for the fault of that name.
        faults: Probability of each fault.
        models: What `/v1/models` lists; any other name is answered too.
        stamp: Every token says its number and when it was sent: "7@123456789 ", in `time.monotonic_ns()`.
        host, port: Where to listen; port 0 takes a free one.
        seed: Of everything random.

    `script`, `requests` and `headers` are what `/_script`, `/_requests` and `/_headers` show; `followed` counts the
    clients that followed a redirect. All of it may be changed or read at any time.
    """

    def __init__(
        self,
        *,
        tokens: int = 100,
        rate: float = 20.0,
        jitter: float = 0.1,
        first_token: float = 0.05,
        slow_first: float = 3.0,
        faults: Mapping[str, float] | None = None,
        models: Sequence[str] = (MODEL,),
        stamp: bool = False,
        host: str = "127.0.0.1",
        port: int = 0,
        seed: int = 1,
    ) -> None:
        self.rate = rate
        self.jitter = jitter
        self.first_token = first_token
        self.slow_first = slow_first
        self.faults = dict(faults or {})
        for fault in self.faults:
            parse(fault)
        self.models = list(models)
        self.stamp = stamp
        self.host = host
        self.port = port
        self.random = Random(seed)
        self.script: deque[str] = deque()
        self.served = 0
        self.followed = 0
        self.created = int(time.time())
        self.reply = sample(tokens)
        self.bodies: deque[bytes] = deque(maxlen=100)
        self.seen: deque[Head] = deque(maxlen=100)
        self.heads: dict[bytes, Head] = {}
        self.drafts: dict[bytes, Draft] = {}
        self.wheel = Wheel()
        self.connections: set[Connection] = set()
        self._server: asyncio.AbstractServer | None = None

    @property
    def base_url(self) -> str:
        """The address to give to a client of the OpenAI API."""
        return f"http://{self.host}:{self.port}/v1"

    @property
    def requests(self) -> list[Any]:
        """The bodies of the last 100 chat requests, oldest first."""
        return [msgspec.json.decode(body) for body in self.bodies]

    @property
    def headers(self) -> list[dict[str, Any]]:
        """Method, path and headers (names in lower case) of the last 100 requests under /v1, oldest first."""
        return [
            {
                "method": head.method.decode(),
                "path": head.url.decode("latin-1"),
                "headers": {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in head.headers},
            }
            for head in self.seen
        ]

    async def __aenter__(self) -> Simulator:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen; after a `stop` on the same port as before.

        Raises:
            OSError: the port is taken.
        """
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self), self.host, self.port, backlog=4096)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Be gone: nobody listens, and whatever was under way is cut off."""
        if self._server is None:
            return
        self._server.close()
        for connection in list(self.connections):
            connection.abort()
        await self._server.wait_closed()
        self._server = None
        await asyncio.sleep(0)  # lets the aborted transports go

    def choose(self, header: str | None, marker: str | None) -> Fault | None:
        """The fault of one chat request.

        Raises:
            ValueError: it is none.
        """
        if header is not None:
            return parse(header)
        if marker is not None:
            return parse(marker)
        if self.script:
            return parse(self.script.popleft())
        return draw(self.faults, self.random)


async def serve(simulator: Simulator) -> None:
    """Run until cancelled."""
    async with simulator:
        print(f"simulator ready on {simulator.base_url}", flush=True)
        await asyncio.Event().wait()


def main(arguments: Iterable[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benches.load.simulator", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--tokens", type=int, default=100)
    parser.add_argument("--rate", type=float, default=20.0, help="tokens a second in a stream; 0: no pause")
    parser.add_argument("--jitter", type=float, default=0.1, help="share of the time between two tokens")
    parser.add_argument("--first-token", type=float, default=0.05, help="seconds")
    parser.add_argument("--slow-first", type=float, default=3.0, help="seconds, for the fault slow_first")
    parser.add_argument("--fault", action="append", default=[], metavar="KIND:RATE", help="may be given often")
    parser.add_argument("--model", action="append", default=[], metavar="NAME", help="that /v1/models lists")
    parser.add_argument("--stamp", action="store_true", help="tokens say when they were sent")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(None if arguments is None else list(arguments))
    faults: dict[str, float] = {}
    for text in given.fault:
        kind, _, rate = text.rpartition(":")
        try:
            parse(kind)
            faults[kind] = float(rate)
        except ValueError as problem:
            parser.error(f"--fault {text}: {problem}")
    simulator = Simulator(
        tokens=given.tokens,
        rate=given.rate,
        jitter=given.jitter,
        first_token=given.first_token,
        slow_first=given.slow_first,
        faults=faults,
        models=given.model or (MODEL,),
        stamp=given.stamp,
        host=given.host,
        port=given.port,
        seed=given.seed,
    )
    import uvloop  # the tests' loop is asyncio's own

    try:
        with contextlib.suppress(KeyboardInterrupt):
            uvloop.run(serve(simulator))
    except OSError as problem:
        parser.exit(1, f"simulator: {problem}\n")


if __name__ == "__main__":
    main()
