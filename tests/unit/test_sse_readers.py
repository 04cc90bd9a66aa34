"""What we send is read alike by the clients in use, however the network cuts it.

Left out of the data, because readers differ from the standard there: a leading space or trailing line ends
(aiohttp-sse-client2 strips both), lines cut elsewhere than at CR and LF by `str.splitlines`, and NUL.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from itertools import pairwise
from types import ModuleType, SimpleNamespace
from typing import Any

import httpx
from aiohttp_sse_client2.client import EventSource
from httpx_sse import EventSource as HttpxEventSource
from hypothesis import given
from hypothesis import strategies as st
from openai._streaming import SSEDecoder as OpenAIDecoder

Read = list[tuple[str, str, str]]

letters = st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"])
line = st.text(letters, max_size=20).map(lambda text: text.lstrip(" "))
name = st.text(letters, min_size=1, max_size=8).filter(lambda text: not text.startswith(" "))
event = st.tuples(
    st.lists(line, min_size=1, max_size=4).map("\n".join).map(lambda text: "{" + text + "}"),
    name,
    name,
)
streams = st.tuples(st.lists(event, max_size=6), st.lists(st.integers(0, 400), max_size=8))


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    bounds = [0, *sorted(min(place, len(stream)) for place in places), len(stream)]
    return [stream[a:b] for a, b in pairwise(bounds) if a < b]


def by_openai(chunks: list[bytes]) -> Read:
    return [(read.data, read.event or "", read.id or "") for read in OpenAIDecoder().iter_bytes(iter(chunks))]


def by_httpx_sse(chunks: list[bytes]) -> Read:
    class Body(httpx.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            return iter(chunks)

    response = httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=Body())
    return [(read.data, read.event, read.id) for read in HttpxEventSource(response).iter_sse()]


def by_aiohttp_sse_client2(chunks: list[bytes]) -> Read:
    async def lines() -> AsyncIterator[bytes]:
        for piece in b"".join(chunks).splitlines(keepends=True):
            yield piece

    async def read_all() -> Read:
        source: Any = EventSource("http://unused", session=SimpleNamespace())
        source._response = SimpleNamespace(status=200, content=lines(), close=lambda: None)
        read: Read = []
        source._on_message = lambda it: read.append((it.data, it.message, it.last_event_id))
        source.connect = lambda *_: asyncio.sleep(0, setattr(source._response, "status", 204))
        source._reconnection_time *= 0
        async for _ in source:
            pass
        return read

    return asyncio.run(read_all())


@given(stream=streams)
def test_all_clients_read_the_same(xiaoer: ModuleType, stream: tuple[list[tuple[str, str, str]], list[int]]) -> None:
    events, places = stream
    wire = b"".join(xiaoer.encode_sse(*event) for event in events)
    chunks = cut(wire, places)
    decoder = xiaoer.SSEDecoder()
    ours = [(read.data.decode(), read.event, read.id) for chunk in chunks for read in decoder.feed(chunk)]
    assert ours == events
    assert by_openai(chunks) == events
    assert by_httpx_sse(chunks) == events
    assert by_aiohttp_sse_client2(chunks) == events
