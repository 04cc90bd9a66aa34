"""The simulator does to a client what it says: through the official SDK, and raw where that looks too kindly."""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import openai
import pytest

from benches.load.faults import Fault, parse
from benches.load.simulator import Simulator
from xiaoer import SSEDecoder

REPLY = "您好！Your parcel is on its way."


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(tokens=20, rate=0, first_token=0, slow_first=0.05) as simulator:
        yield simulator


@pytest.fixture
async def http(simulator: Simulator) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(simulator.base_url.removesuffix("/v1")) as session:
        yield session


@pytest.fixture
async def client(simulator: Simulator) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=simulator.base_url, api_key="none", max_retries=0) as client:
        yield client


def body(text: str = "hello", *, stream: bool = True, **fields: Any) -> dict[str, Any]:
    return {"model": "m", "stream": stream, "messages": [{"role": "user", "content": text}], **fields}


async def read(
    http: aiohttp.ClientSession, request: dict[str, Any], fault: str | None = None
) -> tuple[str, list[bytes]]:
    """The events of a stream and how it ended."""
    headers = {} if fault is None else {"x-simulate": fault}
    events: list[bytes] = []
    decoder = SSEDecoder()
    try:
        async with (
            asyncio.timeout(1 if fault == "stall" else 10),
            http.post("/v1/chat/completions", json=request, headers=headers) as response,
        ):
            assert response.status == 200
            async for chunk in response.content.iter_any():
                events += [event.data for event in decoder.feed(chunk)]
    except TimeoutError:
        return "stalled", events
    except (aiohttp.ClientError, ConnectionResetError):
        return "broken", events
    return "closed", events


async def test_the_official_client_reads_a_whole_answer(client: openai.AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(
        model="some-model", messages=[{"role": "user", "content": f"[[reply:{REPLY}]]"}]
    )
    assert answer.model == "some-model"
    assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == (REPLY, "stop")


async def test_the_official_client_reads_a_stream(client: openai.AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(
        model="m",
        messages=[{"role": "user", "content": [{"type": "text", "text": f"[[reply:{REPLY}]]"}]}],
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = [chunk async for chunk in stream]
    tokens = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]
    assert "".join(tokens) == REPLY
    assert {len(token) for token in tokens} <= {1, 2, 3}
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == len(tokens)


async def test_models_and_unknown_paths(client: openai.AsyncOpenAI, http: aiohttp.ClientSession) -> None:
    assert [model.id async for model in client.models.list()] == ["simulated"]
    async with http.get("/v1/nothing") as response:
        assert response.status == 404
        assert (await response.json())["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"messages":5}', b'{"messages":[{"role":"\xff"}]}'])
async def test_a_bad_request_is_refused(http: aiohttp.ClientSession, data: bytes) -> None:
    async with http.post("/v1/chat/completions", data=data) as response:
        assert response.status == 400
    async with http.post("/v1/chat/completions", data=data or b"{", headers={"x-simulate": "500"}) as response:
        assert response.status == 400
    async with http.post("/v1/chat/completions", json=body(), headers={"x-simulate": "flood"}) as response:
        assert response.status == 400
        assert "flood" in (await response.json())["error"]["message"]


async def test_limits_on_tokens_cut_the_answer(http: aiohttp.ClientSession) -> None:
    _, events = await read(http, body(max_tokens=5))
    assert len(events) == 1 + 5 + 1 + 1
    assert b'"finish_reason":"length"' in events[-2]


async def test_refusals(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.RateLimitError) as limited:
        await client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "x"}], extra_headers={"x-simulate": "429=7"}
        )
    assert limited.value.response.headers["retry-after"] == "7"
    with pytest.raises(openai.InternalServerError):
        await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "[[fault:500]]"}])


@pytest.mark.parametrize(
    ("fault", "end", "last"),
    [
        ("stall", "stalled", 1 + 10),
        ("truncate", "closed", 1 + 10),
        ("reset", "broken", None),  # what was sent before a RST may be lost
        ("no_done", "closed", 1 + 20 + 1),
        ("slow_first", "closed", 1 + 20 + 2),
        ("ok", "closed", 1 + 20 + 2),
    ],
)
async def test_streams_that_go_wrong(http: aiohttp.ClientSession, fault: str, end: str, last: int | None) -> None:
    ended, events = await read(http, body(), fault)
    assert ended == end
    assert len(events) == last if last is not None else len(events) <= 11
    assert (b"[DONE]" in events) == (fault in {"ok", "slow_first"})
    assert any(b'"finish_reason":"stop"' in event for event in events) == (fault in {"ok", "slow_first", "no_done"})


async def test_a_malformed_event_comes_in_the_middle_of_a_whole_stream(client: openai.AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(
        model="m", messages=[{"role": "user", "content": "[[fault:malformed=3]]"}], stream=True
    )
    for _ in range(1 + 3):
        await anext(stream)
    with pytest.raises(ValueError, match=r"Unterminated string|Expecting"):
        await anext(stream)
    await stream.close()


@pytest.mark.parametrize(("fault", "events"), [("truncate=0", 1), ("truncate=3", 4), ("truncate=99", 21)])
async def test_a_fault_may_say_where(http: aiohttp.ClientSession, fault: str, events: int) -> None:
    assert len((await read(http, body(), fault))[1]) == events


@pytest.mark.parametrize("fault", ["truncate", "reset", "malformed"])
async def test_whole_answers_go_wrong_too(client: openai.AsyncOpenAI, fault: str) -> None:
    with pytest.raises((openai.APIConnectionError, ValueError)):
        await client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "x"}], extra_headers={"x-simulate": fault}
        )


async def test_a_slow_first_token_is_slow(http: aiohttp.ClientSession) -> None:
    began = time.monotonic()
    await read(http, body(), "slow_first=0.3")
    assert time.monotonic() - began >= 0.3


async def test_a_script_is_used_up_one_a_request(simulator: Simulator, http: aiohttp.ClientSession) -> None:
    async with http.post("/_script", json=["truncate=1", "ok", "no_done"]) as response:
        assert response.status == 200
    assert [len((await read(http, body()))[1]) for _ in range(4)] == [2, 23, 22, 23]
    async with http.post("/_script", json=["flood"]) as response:
        assert response.status == 400
    simulator.script.append("truncate=1")
    assert len((await read(http, body()))[1]) == 2


async def test_header_before_marker_before_script(simulator: Simulator, http: aiohttp.ClientSession) -> None:
    simulator.script.append("truncate=0")
    assert len((await read(http, body("[[fault:truncate=2]]"), "truncate=4"))[1]) == 5
    assert len((await read(http, body("[[fault:truncate=2]]")))[1]) == 3
    assert len((await read(http, body()))[1]) == 1


async def test_markers_count_in_the_messages_since_the_last_answer(http: aiohttp.ClientSession) -> None:
    request = body()
    request["messages"] = [
        {"role": "user", "content": "[[reply:old]] [[fault:truncate=0]]"},
        {"role": "assistant", "content": "old"},
        {"role": "user", "content": "[[reply:abc]]"},
        {"role": "user", "content": "and this"},
    ]
    _, events = await read(http, request)
    assert b'"finish_reason":"stop"' in events[-2]
    assert len(events) <= 1 + 3 + 2


async def test_requests_can_be_looked_at(simulator: Simulator, http: aiohttp.ClientSession) -> None:
    for number in range(101):
        await read(http, body(f"{number} [[reply:x]]", temperature=0.4))
    async with http.get("/_requests") as response:
        seen = await response.json()
    assert len(seen) == 100
    assert seen == simulator.requests
    assert seen[-1] == body("100 [[reply:x]]", temperature=0.4)


async def test_faults_by_rate(http: aiohttp.ClientSession) -> None:
    async with Simulator(tokens=1, rate=0, first_token=0, faults={"500": 0.3, "429=2": 0.2}) as simulator:
        statuses = []
        for _ in range(300):
            async with http.post(f"{simulator.base_url}/chat/completions", json=body()) as response:
                statuses.append(response.status)
    assert 60 < statuses.count(500) < 120
    assert 35 < statuses.count(429) < 90
    assert statuses.count(200) == 300 - statuses.count(500) - statuses.count(429)


async def test_tokens_come_at_their_pace_and_say_when_they_were_sent(http: aiohttp.ClientSession) -> None:
    async with Simulator(tokens=20, rate=100, jitter=0.5, first_token=0.05, stamp=True) as simulator:
        began = time.monotonic_ns()
        url = f"{simulator.base_url}/chat/completions"
        async with http.post(url, json=body()) as response:
            text = (await response.read()).decode()
    stamps = [(int(number), int(at)) for number, at in re.findall(r"(\d+)@(\d+) ", text)]
    assert [number for number, _ in stamps] == list(range(20))
    assert stamps[0][1] - began >= 50e6
    assert stamps[-1][1] - began >= 50e6 + 18.5 / 100 * 1e9


async def test_requests_on_one_connection_are_answered_in_order(simulator: Simulator) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", simulator.port)
    for number in range(3):
        data = b'{"messages":[{"role":"user","content":"[[reply:%d]]"}]}' % number
        writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(data), data))
    writer.write(b"GET /v1/models HTTP/1.1\r\nConnection: close\r\n\r\n")
    text = (await asyncio.wait_for(reader.read(), 10)).decode()
    writer.close()
    await writer.wait_closed()
    assert re.findall(r'"content":"(\d)"', text) == ["0", "1", "2"]
    assert text.endswith('"owned_by":"xiaoer"}]}')


async def test_what_is_no_http_is_dropped(simulator: Simulator) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", simulator.port)
    writer.write(b"\x16\x03\x01 hello\r\n\r\n")
    assert await asyncio.wait_for(reader.read(), 10) == b""
    writer.close()


async def test_a_client_that_goes_in_the_middle_leaves_nothing_behind(simulator: Simulator) -> None:
    simulator.rate = 50
    reader, writer = await asyncio.open_connection("127.0.0.1", simulator.port)
    data = b'{"stream":true,"messages":[]}'
    writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(data), data))
    await reader.readuntil(b"chat.completion.chunk")
    writer.close()
    await writer.wait_closed()
    async with asyncio.timeout(10):
        while simulator.connections:
            await asyncio.sleep(0.01)


async def test_the_command_prints_its_address_once_ready() -> None:
    arguments = ["--rate", "0", "--first-token", "0", "--fault", "stall:0.0"]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benches.load.simulator", *arguments), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        line = (await asyncio.wait_for(process.stdout.readline(), 20)).decode()
        found = re.fullmatch(r"simulator ready on (http://127\.0\.0\.1:\d+/v1)\n", line)
        assert found
        async with aiohttp.ClientSession() as session, session.get(f"{found[1]}/models") as response:
            assert response.status == 200
    finally:
        process.terminate()
        await process.wait()


@pytest.mark.parametrize("arguments", [["--fault", "flood:0.5"], ["--fault", "stall"], ["--fault", "stall:often"]])
async def test_the_command_names_a_bad_fault(arguments: list[str]) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benches.load.simulator", *arguments), stderr=asyncio.subprocess.PIPE
    )
    _, problem = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 2
    assert b"--fault" in problem.splitlines()[-1]


def test_faults_are_read_as_written() -> None:
    assert parse("stall") == Fault("stall")
    assert parse(" 429=2 ") == Fault("429", 2.0)
    assert parse("ok") is None
    for wrong in ["", "flood", "stall=soon", "Stall"]:
        with pytest.raises(ValueError, match=r"fault|float"):
            parse(wrong)
