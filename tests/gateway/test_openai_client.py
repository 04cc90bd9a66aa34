"""The official Python client, as its users use it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys

import openai
import pytest

from support.gateway import UPSTREAM_KEY, Gateway, new_key

pytestmark = pytest.mark.asyncio(loop_scope="module")

ASK = [{"role": "user", "content": "[[reply:Hello there, dear guest.]]"}]


async def test_a_chat(gateway: Gateway) -> None:
    async with gateway.client() as client:
        answer = await client.chat.completions.create(model="sim-model", messages=ASK, temperature=0.4)
    assert answer.choices[0].message.content == "Hello there, dear guest."
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.completion_tokens > 0
    assert answer._request_id


async def test_a_stream(gateway: Gateway) -> None:
    async with gateway.client() as client:
        stream = await client.chat.completions.create(
            model="sim-model", messages=ASK, stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == (
        "Hello there, dear guest."
    )
    assert chunks[-1].usage is not None


async def test_usage_that_nobody_asked_for_is_not_sent(gateway: Gateway) -> None:
    async with gateway.client() as client:
        stream = await client.chat.completions.create(model="sim-model", messages=ASK, stream=True)
        chunks = [chunk async for chunk in stream]
    assert all(chunk.choices for chunk in chunks)


@pytest.mark.parametrize("stream", [False, True])
async def test_tools(gateway: Gateway, stream: bool) -> None:
    tools = [{"type": "function", "function": {"name": "lookup", "parameters": {"type": "object"}}}]
    messages = [{"role": "user", "content": 'Where is it? [[tool:lookup {"order": "A-17"}]]'}]
    async with gateway.client() as client:
        if stream:
            async with client.chat.completions.stream(model="sim-model", messages=messages, tools=tools) as events:
                answer = await events.get_final_completion()
        else:
            answer = await client.chat.completions.create(model="sim-model", messages=messages, tools=tools)
    choice = answer.choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.tool_calls is not None
    call = choice.message.tool_calls[0].function
    assert (call.name, json.loads(call.arguments)) == ("lookup", {"order": "A-17"})
    assert gateway.first.requests[-1]["tools"] == tools


async def test_parts_and_unknown_fields_pass_untouched(gateway: Gateway) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}}
    messages = [{"role": "user", "content": [{"type": "text", "text": "[[reply:A cup.]]"}, image]}]
    async with gateway.client() as client:
        answer = await client.chat.completions.create(
            model="sim-model", messages=messages, extra_body={"new_option": {"deep": [1, 2.50, None]}}
        )
    assert answer.choices[0].message.content == "A cup."
    sent = gateway.first.requests[-1]
    assert sent["messages"] == messages
    assert sent["new_option"] == {"deep": [1, 2.5, None]}


async def test_several_choices(gateway: Gateway) -> None:
    async with gateway.client() as client:
        stream = await client.chat.completions.create(model="sim-model", messages=ASK, n=2, stream=True)
        said = {0: "", 1: ""}
        async for chunk in stream:
            for choice in chunk.choices:
                said[choice.index] += choice.delta.content or ""
    assert said == {0: "Hello there, dear guest.", 1: "Hello there, dear guest."}


@pytest.mark.parametrize("encoding", ["float", "base64"])
async def test_embeddings(gateway: Gateway, encoding: str) -> None:
    async with gateway.client() as client:
        made = await client.embeddings.create(
            model="sim-model",
            input=["one", "two"],
            encoding_format=encoding,  # type: ignore[call-overload]
        )
    assert [item.index for item in made.data] == [0, 1]
    assert made.data[0].embedding
    assert made.usage.prompt_tokens > 0


async def test_models(gateway: Gateway) -> None:
    async with gateway.client() as client:
        listed = await client.models.list()
        assert {"sim-model", "two", "small"} <= {model.id for model in listed.data}
        assert (await client.models.retrieve("sim-model")).owned_by == "xiaoer"
        with pytest.raises(openai.NotFoundError) as caught:
            await client.models.retrieve("nobody/knows")
    assert caught.value.code == "model_not_found"


async def test_moderations(gateway: Gateway) -> None:
    async with gateway.client() as client:
        judged = await client.moderations.create(input=["good morning", "加微信买粉"])
    assert len(judged.results) == 2
    assert not judged.results[0].flagged


async def test_errors(gateway: Gateway) -> None:
    async with gateway.client() as client:
        with pytest.raises(openai.NotFoundError) as missing:
            await client.chat.completions.create(model="nobody", messages=ASK)
        assert (missing.value.code, missing.value.param) == ("model_not_found", "model")
        with pytest.raises(openai.BadRequestError) as wrong:
            await client.chat.completions.create(model="sim-model", messages="hello")  # type: ignore[arg-type]
        assert wrong.value.param == "messages"
        with pytest.raises(openai.BadRequestError) as steering:
            await client.chat.completions.create(
                model="sim-model", messages=ASK, extra_body={"api_base": "http://127.0.0.1:1"}
            )
        assert steering.value.code == "unsupported_parameter"
    async with gateway.client() as client:
        with pytest.raises(openai.AuthenticationError) as stranger:
            await client.with_options(api_key="xk-nobody").models.list()
        assert stranger.value.code == "invalid_api_key"


async def test_a_revoked_key_is_refused_at_once(gateway: Gateway) -> None:
    secret = await asyncio.to_thread(new_key, gateway.server.data, "--name", "short-lived")
    async with gateway.client() as client:
        short = client.with_options(api_key=secret)
        await short.models.list()
        ids = await asyncio.to_thread(_ids, gateway)
        await asyncio.to_thread(_keys, gateway, "revoke", ids["short-lived"])
        with pytest.raises(openai.AuthenticationError):
            await short.models.list()


async def test_limits_of_a_key(gateway: Gateway) -> None:
    arguments = ("--name", "limited", "--requests-per-minute", "2", "--model", "sim-model")
    secret = await asyncio.to_thread(new_key, gateway.server.data, *arguments)
    async with gateway.client() as client:
        limited = client.with_options(api_key=secret)
        with pytest.raises(openai.PermissionDeniedError) as other:
            await limited.chat.completions.create(model="two", messages=ASK)
        assert other.value.code == "model_not_allowed"
        assert [model.id for model in (await limited.models.list()).data] == ["sim-model"]
        for _ in range(2):
            await limited.chat.completions.create(model="sim-model", messages=ASK)
        with pytest.raises(openai.RateLimitError) as over:
            await limited.chat.completions.create(model="sim-model", messages=ASK)
    assert over.value.code == "requests_per_minute"
    assert int(over.value.response.headers["retry-after"]) >= 1


async def test_nothing_of_the_caller_reaches_the_upstream(gateway: Gateway) -> None:
    async with gateway.client(default_headers={"X-Secret-Thing": "mine", "OpenAI-Organization": "org"}) as client:
        await client.chat.completions.create(model="sim-model", messages=ASK)
    named = gateway.first.headers[-1]["headers"]
    assert named["authorization"] == f"Bearer {UPSTREAM_KEY}"
    assert not {"x-secret-thing", "openai-organization", "x-stainless-lang", "x-forwarded-for"} & set(named)
    assert gateway.key not in str(named)


async def test_words_are_masked_in_streams_and_whole_answers(gateway: Gateway) -> None:
    messages = [{"role": "user", "content": "[[reply:Please 加微信 now.]]"}]
    async with gateway.client() as client:
        whole = await client.chat.completions.create(model="sim-model", messages=messages)
        stream = await client.chat.completions.create(model="sim-model", messages=messages, stream=True)
        streamed = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
    assert whole.choices[0].message.content == streamed == "Please *** now."


async def test_a_cancelled_stream_ends_its_upstream(gateway: Gateway) -> None:
    gateway.first.rate, before = 20.0, gateway.first.rate
    try:
        async with gateway.client() as client:
            stream = await client.chat.completions.create(
                model="sim-model", messages=[{"role": "user", "content": "hi"}], stream=True
            )
            async for _ in stream:
                break
            await stream.close()
        for _ in range(50):
            busy = [connection for connection in gateway.first.connections if connection._busy]
            if not busy:
                return
            await asyncio.sleep(0.02)
        raise AssertionError("the upstream goes on")
    finally:
        gateway.first.rate = before


async def test_the_exact_cache(gateway: Gateway) -> None:
    ask = {"model": "sim-model", "messages": [{"role": "user", "content": "What is tea?"}]}
    headers = {"X-Xiaoer-Cache": "exact"}
    async with gateway.client(default_headers=headers) as client:
        before = gateway.first.served
        answers = await asyncio.gather(*[client.chat.completions.with_raw_response.create(**ask) for _ in range(5)])
        assert gateway.first.served == before + 1
        assert {answer.text for answer in answers} == {answers[0].text}
        again = await client.chat.completions.with_raw_response.create(**ask)
        assert again.headers["x-xiaoer-cache"] == "hit"
        streamed = [chunk async for chunk in await client.chat.completions.create(**ask, stream=True)]
        replayed = [chunk async for chunk in await client.chat.completions.create(**ask, stream=True)]
        assert [chunk.to_dict() for chunk in streamed] == [chunk.to_dict() for chunk in replayed]
        assert gateway.first.served == before + 2
        await client.chat.completions.create(**ask, temperature=0.1)
        assert gateway.first.served == before + 3


async def test_long_input_is_refused_by_default(gateway: Gateway) -> None:
    async with gateway.client() as client:
        with pytest.raises(openai.BadRequestError) as caught:
            await client.chat.completions.create(
                model="small", messages=[{"role": "user", "content": "a long story " * 400}], max_tokens=50
            )
    assert caught.value.code == "context_length_exceeded"


def _keys(gateway: Gateway, *arguments: str) -> str:
    command = [sys.executable, "-m", "xiaoer_server.cli", "keys", *arguments, "--data", str(gateway.server.data)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def _ids(gateway: Gateway) -> dict[str, str]:
    return {key["name"]: key["id"] for key in json.loads(_keys(gateway, "list", "--json"))}


@pytest.mark.parametrize("stream", [False, True])
async def test_long_input_is_read_in_parts_where_the_settings_say_so(gateway: Gateway, stream: bool) -> None:
    ask = {"model": "parts", "messages": [{"role": "user", "content": "a long story " * 1_200}], "max_tokens": 50}
    before = gateway.first.served
    async with gateway.client() as client:
        raw = await client.chat.completions.with_raw_response.create(**ask, stream=stream)
        if stream:
            text = "".join([chunk.choices[0].delta.content or "" async for chunk in raw.parse() if chunk.choices])
        else:
            text = raw.parse().choices[0].message.content
    assert text
    assert raw.headers["x-xiaoer-long-input"].startswith("map_reduce")
    assert gateway.first.served > before + 2
    usage = await asyncio.to_thread(_usage, gateway)
    [row] = [row for row in usage if row["model"] == "parts"]
    assert row["prompt"] > 2_400


def _usage(gateway: Gateway) -> list[dict[str, object]]:
    command = [sys.executable, "-m", "xiaoer_server.cli", "usage", "--json", "--data", str(gateway.server.data)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    found: list[dict[str, object]] = json.loads(done.stdout)
    return found
