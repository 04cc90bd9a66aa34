"""The simulator's wider API: tools, choices, embeddings, models, headers, and its going away and coming back."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import openai
import pytest

from benches.load.simulator import Simulator

TOOLS: Any = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]
ASK: Any = [{"role": "user", "content": '[[tool:weather {"city": "杭州", "days": [[1]]}]] and [[tool:now]]'}]


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(tokens=20, rate=0, first_token=0, models=["a", "b/c"]) as simulator:
        yield simulator


@pytest.fixture
async def http(simulator: Simulator) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(simulator.base_url.removesuffix("/v1")) as session:
        yield session


@pytest.fixture
async def client(simulator: Simulator) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=simulator.base_url, api_key="sk-none", max_retries=0) as client:
        yield client


def body(text: str = "hello", **fields: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": text}], **fields}


async def test_tool_calls_whole(client: openai.AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(model="m", messages=ASK, tools=TOOLS)
    assert answer.choices[0].finish_reason == "tool_calls"
    calls: Any = answer.choices[0].message.tool_calls
    assert [(call.function.name, call.function.arguments) for call in calls] == [
        ("weather", '{"city": "杭州", "days": [[1]]}'),
        ("now", "{}"),
    ]
    assert answer.choices[0].message.content is None


async def test_tool_calls_come_in_fragments(client: openai.AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(model="m", messages=ASK, tools=TOOLS, stream=True)
    names: dict[int, str] = {}
    arguments: dict[int, list[str]] = {}
    reasons = []
    async for part in stream:
        reasons.append(part.choices[0].finish_reason)
        for call in part.choices[0].delta.tool_calls or []:
            assert call.function is not None
            if call.function.name:
                names[call.index] = call.function.name
            arguments.setdefault(call.index, []).append(call.function.arguments or "")
    assert names == {0: "weather", 1: "now"}
    assert json.loads("".join(arguments[0])) == {"city": "杭州", "days": [[1]]}
    assert len(arguments[0]) > 5
    assert reasons[-1] == "tool_calls"
    assert not any(reasons[:-1])


async def test_no_tools_no_calls(client: openai.AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(model="m", messages=ASK)
    assert answer.choices[0].finish_reason == "stop"
    answered: Any = [*ASK, {"role": "tool", "tool_call_id": "call_0", "content": "rain"}]
    answer = await client.chat.completions.create(model="m", messages=answered, tools=TOOLS)
    assert answer.choices[0].message.content


async def test_several_choices(client: openai.AsyncOpenAI) -> None:
    ask: Any = [{"role": "user", "content": "[[reply:abcdefgh]]"}]
    answer = await client.chat.completions.create(model="m", messages=ask, n=3)
    assert [(choice.index, choice.message.content) for choice in answer.choices] == [(i, "abcdefgh") for i in range(3)]
    stream = await client.chat.completions.create(model="m", messages=ask, n=2, stream=True)
    texts = {0: "", 1: ""}
    async for part in stream:
        texts[part.choices[0].index] += part.choices[0].delta.content or ""
    assert texts == {0: "abcdefgh", 1: "abcdefgh"}


async def test_ids_differ_and_lengths_hold(http: aiohttp.ClientSession) -> None:
    ids = set()
    for _ in range(3):
        async with http.post("/v1/chat/completions", json=body(stream=True)) as response:
            data = await response.read()
        found = {json.loads(line[6:])["id"] for line in data.split(b"\n\n") if line.startswith(b"data: {")}
        assert len(found) == 1
        ids |= found
    assert len(ids) == 3


async def test_embeddings_are_the_same_in_both_encodings(client: openai.AsyncOpenAI) -> None:
    floats = await client.embeddings.create(model="e", input=["茶", "tea"], encoding_format="float", dimensions=8)
    packed = await client.embeddings.create(model="e", input="tea", dimensions=8)  # the client asks for base64
    assert len(floats.data) == 2
    assert packed.data[0].embedding == pytest.approx(floats.data[1].embedding, abs=1e-7)
    assert floats.data[0].embedding != floats.data[1].embedding
    assert floats.usage.prompt_tokens == 2
    assert len((await client.embeddings.create(model="e", input=[1, 2, 3])).data) == 1
    assert len((await client.embeddings.create(model="e", input=[[1, 2], [3]])).data) == 2
    with pytest.raises(openai.BadRequestError):
        await client.embeddings.create(model="e", input=[])


async def test_models(client: openai.AsyncOpenAI) -> None:
    assert [model.id async for model in client.models.list()] == ["a", "b/c"]
    assert (await client.models.retrieve("a")).id == "a"
    with pytest.raises(openai.NotFoundError):
        await client.models.retrieve("z")


async def test_headers_can_be_looked_at(simulator: Simulator, http: aiohttp.ClientSession) -> None:
    for key in ("one", "two", "two"):  # the third head is the second's, byte for byte
        async with http.post("/v1/chat/completions", json=body(), headers={"Authorization": key}) as response:
            await response.read()
    async with http.get("/_headers") as response:
        seen = await response.json()
    assert seen == simulator.headers
    assert [request["headers"]["authorization"] for request in seen] == ["one", "two", "two"]
    assert seen[0]["path"] == "/v1/chat/completions"


@pytest.mark.parametrize("fault", ["hang", "close", "garbage"])
async def test_no_answer_at_all(http: aiohttp.ClientSession, fault: str) -> None:
    timeout = aiohttp.ClientTimeout(total=0.3)
    with pytest.raises((aiohttp.ClientError, TimeoutError)) as caught:
        await http.post("/v1/chat/completions", json=body(), headers={"x-simulate": fault}, timeout=timeout)
    assert isinstance(caught.value, TimeoutError) == (fault == "hang")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 429, 500, 502, 503, 504, 529])
async def test_refusals_by_status(http: aiohttp.ClientSession, status: int) -> None:
    async with http.post("/v1/chat/completions", json=body(), headers={"x-simulate": str(status)}) as response:
        assert response.status == status
        assert (await response.json())["error"]["message"]
        assert ("Retry-After" in response.headers) == (status in {429, 503})


async def test_answers_that_are_none(simulator: Simulator, http: aiohttp.ClientSession) -> None:
    async with http.post("/v1/chat/completions", json=body("[[fault:html]]")) as response:
        assert (response.status, response.content_type) == (200, "text/html")
    async with http.post("/v1/chat/completions", json=body("[[fault:empty]]")) as response:
        assert (response.status, await response.read()) == (200, b"")
    async with http.post("/v1/chat/completions", json=body("[[fault:redirect]]"), allow_redirects=False) as response:
        assert response.status == 307
    assert simulator.followed == 0
    async with http.post("/v1/chat/completions", json=body("[[fault:redirect]]")) as response:
        assert response.status == 200
    assert simulator.followed == 1


@pytest.mark.parametrize("stream", [False, True])
async def test_compressed_answers(simulator: Simulator, stream: bool) -> None:
    async with (
        aiohttp.ClientSession(auto_decompress=False) as session,
        session.post(f"{simulator.base_url}/chat/completions", json=body("[[fault:gzip]]", stream=stream)) as response,
    ):
        text = gzip.decompress(await response.read())
    assert b'"finish_reason":"stop"' in text
    assert text.endswith(b"data: [DONE]\n\n") == stream


async def test_an_error_in_the_middle(http: aiohttp.ClientSession) -> None:
    request = body("[[fault:error_event=2]]", stream=True)
    async with http.post("/v1/chat/completions", json=request) as response:
        events = (await response.read()).split(b"\n\n")[:-1]
    assert len(events) == 1 + 2 + 1
    assert "error" in json.loads(events[-1][6:])


@pytest.mark.parametrize("stream", [False, True])
async def test_an_endless_answer_is_as_long_as_was_said(http: aiohttp.ClientSession, stream: bool) -> None:
    size = 0
    with pytest.raises(aiohttp.ClientPayloadError):
        async with http.post("/v1/chat/completions", json=body("[[fault:endless=3]]", stream=stream)) as response:
            async for data in response.content.iter_any():
                size += len(data)
    assert 3 << 20 <= size < 4 << 20


async def test_it_goes_and_comes_back_on_the_same_port(simulator: Simulator, http: aiohttp.ClientSession) -> None:
    port = simulator.port
    await simulator.stop()
    with pytest.raises(aiohttp.ClientError):
        await http.post("/v1/chat/completions", json=body())
    await simulator.start()
    assert simulator.port == port
    async with http.post("/v1/chat/completions", json=body()) as response:
        assert response.status == 200
