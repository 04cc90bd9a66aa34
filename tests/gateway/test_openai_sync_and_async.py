"""Ordinary uses by the official Python client, blocking and not, down to the bytes that the upstream is sent."""

from __future__ import annotations

import asyncio
import base64
import json
import struct
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletionChunk

from support.gateway import UPSTREAM_KEY, new_key
from support.openai_callers import AsyncCaller, Caller, SyncCaller
from support.own_gateway import OwnGateway, model, own_gateway, provider
from support.recording import Upstream, says, whole
from support.recording_replies import ARGUMENTS, vector

#: A word of the demo shop's list.
BLOCKED = "加微信"

TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of the next days",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}},
        "strict": False,
    },
}

MakeCaller = Callable[..., Caller]


def user(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


def said(chunks: list[ChatCompletionChunk]) -> str:
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


@pytest.fixture(scope="module")
def recording() -> Iterator[Upstream]:
    with Upstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def ordinary(tmp_path_factory: pytest.TempPathFactory, recording: Upstream) -> Iterator[OwnGateway]:
    with own_gateway(
        tmp_path_factory.mktemp("ordinary") / "data",
        "[gateway]\nretries = 0\n",
        provider("sim", recording.base_url, first_token_seconds=2.0, token_seconds=2.0, answer_seconds=4.0),
        model("sim-model", "sim/their-model"),
        model("small-embedding", "sim/their-embedding"),
        model("private-model", "sim/their-private"),
    ) as gateway:
        yield gateway


@pytest.fixture
def upstream(recording: Upstream) -> Upstream:
    """The upstream, with nothing recorded and nothing scripted."""
    recording.clear()
    return recording


@pytest.fixture(params=[SyncCaller, AsyncCaller], ids=["sync", "async"])
async def make_caller(request: pytest.FixtureRequest, ordinary: OwnGateway) -> AsyncIterator[MakeCaller]:
    made: list[Caller] = []

    def make(**options: Any) -> Caller:
        given = {"base_url": ordinary.base_url, "api_key": ordinary.key, "max_retries": 0, "timeout": 10.0}
        caller: Caller = request.param(**(given | options))
        made.append(caller)
        return caller

    yield make
    for caller in made:
        await caller.close()


@pytest.fixture
def caller(make_caller: MakeCaller) -> Caller:
    return make_caller()


async def test_an_answer(caller: Caller, upstream: Upstream) -> None:
    answer = await caller.chat(
        model="sim-model", messages=user("怎么退货？"), temperature=1.7, seed=7, user="customer-1"
    )
    assert answer.object == "chat.completion"
    assert answer.choices[0].message.content == "You said: 怎么退货？"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    [request] = upstream.requests
    assert request.json["model"] == "their-model", "the provider's own name of the model"
    assert (request.json["temperature"], request.json["user"]) == (1.7, "customer-1")


async def test_a_stream(caller: Caller, upstream: Upstream) -> None:
    chunks = await caller.stream(model="sim-model", messages=user("您好 [[reply:两到三天送达。It is on its way.]]"))
    assert said(chunks) == "两到三天送达。It is on its way."
    assert len(chunks) > 5, "it did not stream"
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert all(chunk.usage is None for chunk in chunks), "nobody asked for it"
    assert all(chunk.choices for chunk in chunks), "an event without choices breaks clients that did not ask for it"
    assert upstream.requests[0].json["stream"] is True


async def test_a_stream_with_usage(caller: Caller) -> None:
    chunks = await caller.stream(model="sim-model", messages=user("hello"), stream_options={"include_usage": True}, n=1)
    assert said(chunks) == "You said: hello"
    assert [chunk.usage is not None for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert chunks[-1].choices == []


async def test_tokens_come_as_they_are_made(make_caller: MakeCaller, ordinary: OwnGateway) -> None:
    """The first piece is there long before the last one is made."""
    client = openai.AsyncOpenAI(base_url=ordinary.base_url, api_key=ordinary.key, max_retries=0)
    began = time.monotonic()
    async with await client.chat.completions.create(
        model="sim-model",
        messages=[{"role": "user", "content": "[[pause:0.1]] [[reply:one two three four five]]"}],
        stream=True,
    ) as stream:
        times = [time.monotonic() - began async for chunk in stream if chunk.choices[0].delta.content]
    await client.close()
    assert times[0] < times[-1] - 0.4, times


async def test_a_tool_is_called_and_answered(caller: Caller, upstream: Upstream) -> None:
    messages = user("Will it rain?")
    answer = await caller.chat(model="sim-model", messages=messages, tools=[TOOL], tool_choice="auto")
    assert answer.choices[0].finish_reason == "tool_calls"
    assert answer.choices[0].message.content is None
    assert answer.choices[0].message.tool_calls is not None
    [call] = answer.choices[0].message.tool_calls
    assert call.type == "function"
    assert (call.function.name, json.loads(call.function.arguments)) == ("weather", ARGUMENTS)
    assert upstream.requests[-1].json["tools"] == [TOOL], "untouched"

    messages += [answer.choices[0].message.to_dict(), {"role": "tool", "tool_call_id": call.id, "content": "Rain."}]
    answer = await caller.chat(model="sim-model", messages=messages, tools=[TOOL])
    assert answer.choices[0].message.content == "You said: Will it rain?"
    assert upstream.requests[-1].json["messages"] == messages, "untouched"


async def test_a_tool_is_called_in_a_stream(caller: Caller) -> None:
    choice = {"type": "function", "function": {"name": "weather"}}
    chunks = await caller.stream(model="sim-model", messages=user("Will it rain?"), tools=[TOOL], tool_choice=choice)
    name, arguments = "", ""
    for chunk in chunks:
        for call in (chunk.choices[0].delta.tool_calls or []) if chunk.choices else []:
            assert call.index == 0
            assert call.function is not None
            name += call.function.name or ""
            arguments += call.function.arguments or ""
    assert (name, json.loads(arguments)) == ("weather", ARGUMENTS)
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "tool_calls"


@pytest.mark.parametrize("stream", [False, True])
async def test_content_of_several_parts_passes_untouched(caller: Caller, upstream: Upstream, stream: bool) -> None:
    pixel = base64.b64encode(b"\x89PNG not really").decode()
    content = [
        {"type": "text", "text": "What is this? "},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{pixel}", "detail": "low"}},
        {"type": "input_audio", "input_audio": {"data": pixel, "format": "wav"}},
        {"type": "text", "text": "[[reply:a cup]]"},
    ]
    messages = [{"role": "developer", "content": "Be short."}, {"role": "user", "content": content, "name": "li"}]
    if stream:
        assert said(await caller.stream(model="sim-model", messages=messages)) == "a cup"
    else:
        assert (await caller.chat(model="sim-model", messages=messages)).choices[0].message.content == "a cup"
    assert upstream.requests[-1].json["messages"] == messages


async def test_several_choices_and_log_probabilities(caller: Caller) -> None:
    answer = await caller.chat(model="sim-model", messages=user("[[reply:twice]]"), n=2, logprobs=True)
    assert [(choice.index, choice.message.content) for choice in answer.choices] == [(0, "twice"), (1, "twice")]
    assert answer.choices[0].logprobs is not None
    assert answer.choices[0].logprobs.content is not None
    assert answer.choices[0].logprobs.content[0].logprob == -0.25
    chunks = await caller.stream(model="sim-model", messages=user("[[reply:twice]]"), n=2)
    for index in (0, 1):
        pieces = [choice for chunk in chunks for choice in chunk.choices if choice.index == index]
        assert "".join(piece.delta.content or "" for piece in pieces) == "twice"


async def test_parameters_that_nobody_here_knows_reach_the_model(caller: Caller, upstream: Upstream) -> None:
    schema = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}, "strict": True}}
    body = {"reasoning_effort": "low", "response_format": schema, "logit_bias": {"50256": -100}, "stop": ["\n\n"]}
    await caller.chat(model="sim-model", messages=user("hello"), **body)
    assert {name: upstream.requests[-1].json[name] for name in body} == body


@pytest.mark.parametrize("given", ["one text", ["two", "texts 两个"], [1, 2, 3], [[1, 2], [3]]])
async def test_embeddings_as_numbers(caller: Caller, upstream: Upstream, given: Any) -> None:
    answer = await caller.embeddings(model="small-embedding", input=given, encoding_format="float", dimensions=4)
    texts = given if isinstance(given, list) and not isinstance(given[0], int) else [given]
    assert [one.index for one in answer.data] == list(range(len(texts)))
    for one, text in zip(answer.data, texts, strict=True):
        assert one.embedding == vector(json.dumps(text, ensure_ascii=False), 4)
    assert answer.usage.total_tokens == len(texts)
    assert upstream.requests[-1].path == "/v1/embeddings"
    assert upstream.requests[-1].json["model"] == "their-embedding"


async def test_embeddings_as_base64(caller: Caller, upstream: Upstream) -> None:
    answer = await caller.embeddings(model="small-embedding", input="text", encoding_format="base64", dimensions=4)
    packed = answer.data[0].embedding
    assert isinstance(packed, str)
    assert list(struct.unpack("<4f", base64.b64decode(packed))) == vector('"text"', 4)
    # The client asks for base64 by itself and unpacks it.
    answer = await caller.embeddings(model="small-embedding", input="text", dimensions=4)
    assert upstream.requests[-1].json["encoding_format"] == "base64"
    assert answer.data[0].embedding == vector('"text"', 4)


async def test_models(caller: Caller) -> None:
    models = await caller.models()
    assert {model.id for model in models} >= {"sim-model", "small-embedding", "private-model"}
    assert {model.object for model in models} == {"model"}
    model = await caller.model("sim-model")
    assert (model.id, model.object) == ("sim-model", "model")
    assert isinstance(model.created, int)
    assert model.owned_by
    with pytest.raises(openai.NotFoundError) as caught:
        await caller.model("nobody-has-this")
    assert caught.value.code == "model_not_found"


async def test_moderations(caller: Caller) -> None:
    verdict = await caller.moderations(input=f"可以{BLOCKED}吗", model="omni-moderation-latest")
    assert verdict.id
    [result] = verdict.results
    assert result.flagged
    assert set(result.categories.to_dict()) == set(result.category_scores.to_dict())
    verdict = await caller.moderations(input=["Where is my parcel?", f"请{BLOCKED}", "thanks"])
    assert [result.flagged for result in verdict.results] == [False, True, False]
    verdict = await caller.moderations(
        input=[{"type": "text", "text": f"请{BLOCKED}"}, {"type": "text", "text": "thanks"}]
    )
    assert any(result.flagged for result in verdict.results)


@pytest.mark.parametrize("stream", [False, True])
async def test_words_of_the_list_are_masked_in_answers(caller: Caller, stream: bool) -> None:
    """The upstream cuts after three characters wherever they are."""
    body: dict[str, Any] = {"model": "sim-model", "messages": user("[[reply:您好！可以加微信联系，或者电话。]]")}
    text = said(await caller.stream(**body)) if stream else (await caller.chat(**body)).choices[0].message.content
    assert text == "您好！可以***联系，或者电话。"


@pytest.mark.parametrize("stream", [False, True])
async def test_a_word_that_blocks_is_refused(caller: Caller, upstream: Upstream, stream: bool) -> None:
    ask = caller.stream if stream else caller.chat
    with pytest.raises(openai.BadRequestError) as caught:
        await ask(model="sim-model", messages=user("教我刷单"))
    assert caught.value.code == "content_filter"
    assert not upstream.requests


@pytest.mark.parametrize("key", ["xk-nobody-has-this", "sk-0123456789", "x"])
async def test_a_wrong_key(make_caller: MakeCaller, upstream: Upstream, key: str) -> None:
    caller = make_caller(api_key=key)
    for call in (caller.chat(model="sim-model", messages=user("hello")), caller.models()):
        with pytest.raises(openai.AuthenticationError) as caught:
            await call
        assert caught.value.code == "invalid_api_key"
        assert key not in str(caught.value) or len(key) == 1
    assert not upstream.requests


@pytest.mark.parametrize(
    "body",
    [
        {"messages": "hello"},
        {"messages": user("hello"), "stream": "yes"},
        {"messages": user("hello"), "max_tokens": "many"},
        {"messages": user("hello"), "temperature": [1]},
        {"messages": user("hello"), "n": "two"},
    ],
    ids=lambda body: ",".join(sorted(body)),
)
async def test_a_wrong_type(caller: Caller, upstream: Upstream, body: dict[str, Any]) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await caller.chat(model="sim-model", **body)
    assert caught.value.type == "invalid_request_error"
    assert not upstream.requests


async def test_a_limit_says_when_to_come_back(make_caller: MakeCaller, ordinary: OwnGateway) -> None:
    key = new_key(ordinary.server.data, "--requests-per-minute", "2", "--name", "slow")
    caller = make_caller(api_key=key)
    for _ in range(2):
        await caller.chat(model="sim-model", messages=user("hello"))
    with pytest.raises(openai.RateLimitError) as caught:
        await caller.chat(model="sim-model", messages=user("hello"))
    assert caught.value.code == "requests_per_minute"
    assert 0 < float(caught.value.response.headers["retry-after"]) <= 60


async def test_the_providers_refusal_of_a_request_is_told(caller: Caller, upstream: Upstream) -> None:
    """What is wrong with a request only the model's server knows; whoever asked must read it."""
    problem = {
        "message": "This model needs an effort.",
        "type": "invalid_request_error",
        "param": "x",
        "code": "y",
    }
    upstream.script.append(says(whole(400, {"error": problem})))
    with pytest.raises(openai.BadRequestError, match="needs an effort"):
        await caller.chat(model="sim-model", messages=user("hello"))


@pytest.mark.parametrize("status", [401, 403])
async def test_that_our_own_key_is_refused_is_not_the_callers_fault(
    caller: Caller, upstream: Upstream, status: int
) -> None:
    problem = {"message": f"Incorrect API key provided: {UPSTREAM_KEY}", "type": "invalid_request_error", "param": None}
    upstream.always = says(whole(status, {"error": {**problem, "code": "invalid_api_key"}}))
    with pytest.raises(openai.InternalServerError) as caught:
        await caller.chat(model="sim-model", messages=user("hello"))
    assert UPSTREAM_KEY not in caught.value.response.text
    assert caught.value.code == "upstream_unavailable"


async def test_the_callers_own_deadline(make_caller: MakeCaller, caller: Caller, upstream: Upstream) -> None:
    upstream.script.append(says(then="wait"))
    with pytest.raises(openai.APITimeoutError):
        await make_caller(timeout=0.5).chat(model="sim-model", messages=user("hello"))
    assert (await caller.chat(model="sim-model", messages=user("still there?"))).choices


@pytest.mark.parametrize(("stream", "limit"), [(True, 2.0), (False, 4.0)], ids=["first token", "answer"])
async def test_a_model_that_never_begins(caller: Caller, upstream: Upstream, stream: bool, limit: float) -> None:
    upstream.always = says(then="wait")
    began = time.monotonic()
    with pytest.raises(openai.InternalServerError) as caught:
        await (caller.stream if stream else caller.chat)(model="sim-model", messages=user("hello"))
    assert caught.value.status_code == 504
    assert caught.value.code == "upstream_timeout"
    assert limit - 0.5 < time.monotonic() - began < limit + 3


async def test_cancelled_in_the_middle_of_a_stream(caller: Caller, upstream: Upstream) -> None:
    question = "[[pause:0.05]] [[reply:" + "this goes on and on; " * 40 + "]]"
    chunks = await caller.stream(take=4, model="sim-model", messages=user(question))
    assert len(chunks) == 4
    until = time.monotonic() + 5
    while not upstream.gone and time.monotonic() < until:
        await asyncio.sleep(0.02)
    assert upstream.gone == 1, "the upstream goes on talking to nobody"
    assert said(await caller.stream(model="sim-model", messages=user("[[reply:next]]"))) == "next"
