"""Bad upstreams once more, by another's simulator: `llmock` (MIT) breaks streams in its own ways and judges retries."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from llmock.scenarios import Delay, Fail, Reply, SlowFirstToken, StreamFault, ToolCall, ToolFault
from llmock.testing import LLMockServer
from llmock.verdict import judge

from support.gateway import UPSTREAM_KEY
from support.own_gateway import OwnGateway, model, own_gateway, provider
from support.recording import Upstream
from support.strict_caller import ask

REPLY = "The parcel left our house on Monday and will be with you on Wednesday at noon."
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]
FAST = {"first_token_seconds": 0.6, "token_seconds": 0.4, "answer_seconds": 1.8}
LIMIT = 4.0


@pytest.fixture(scope="module")
def server_of_llmock() -> Iterator[LLMockServer]:
    with LLMockServer() as mock:
        yield mock


@pytest.fixture
def mock(server_of_llmock: LLMockServer) -> LLMockServer:
    server_of_llmock.state.scenarios.clear()
    server_of_llmock.state.journal.clear()
    return server_of_llmock


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, server_of_llmock: LLMockServer) -> Iterator[OwnGateway]:
    data = tmp_path_factory.mktemp("llmock") / "data"
    with (
        Upstream() as spare,
        own_gateway(
            data,
            "[gateway]\nretries = 1\nretry_budget = 1.0\n",
            provider("mock", server_of_llmock.base_url("openai"), **FAST),
            provider("spare", spare.base_url, **FAST),
            model("sim-model", "mock/gpt-4o"),
            model("both", "mock/gpt-4o", "spare/spare-model"),
        ) as gateway,
    ):
        yield gateway


@pytest.mark.parametrize("after", [0, 1, 3, 12])
@pytest.mark.parametrize("kind", ["disconnect", "truncate", "stall", "malformed"])
async def test_a_broken_stream_is_told(gateway: OwnGateway, mock: LLMockServer, kind: Any, after: int) -> None:
    mock.state.scenarios.add(Reply(REPLY, times=None), StreamFault(kind, after, stall_seconds=5.0, times=None))
    heard = await ask(gateway, "Where is my parcel?", stream=True)
    assert heard.error is not None, heard
    assert not heard.whole
    assert not heard.done
    assert REPLY.startswith(heard.text)
    assert heard.error["code"] in {"upstream_truncated", "upstream_timeout", "upstream_unavailable"}
    assert heard.seconds < LIMIT


@pytest.mark.parametrize("kind", ["disconnect", "truncate", "stall", "malformed"])
async def test_a_stream_that_breaks_before_it_says_anything_is_asked_elsewhere(
    gateway: OwnGateway, mock: LLMockServer, kind: Any
) -> None:
    mock.state.scenarios.add(StreamFault(kind, 0, stall_seconds=5.0, times=None))
    heard = await ask(gateway, f"[[reply:{REPLY}]]", stream=True, model="both")
    assert heard.whole, heard
    assert heard.text == REPLY


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 409, 413, 422, 429, 500, 501, 502, 503, 504, 529])
async def test_a_refusal(gateway: OwnGateway, mock: LLMockServer, status: int, stream: bool) -> None:
    """The caller reads what is the caller's own; the rest is the provider's failure, tried again by the rules."""
    message = f"no: {UPSTREAM_KEY}"
    wait = 0.2 if status in {429, 503} else None
    mock.state.scenarios.add(Fail(status, retry_after=wait, message=message, times=None))
    heard = await ask(gateway, "Where is my parcel?", stream=stream)
    assert heard.error is not None, heard
    assert UPSTREAM_KEY.encode() not in heard.body
    if status in {400, 409, 413, 422}:
        assert heard.status == status
    else:
        assert heard.status in {429, 502, 503, 504}
        assert heard.error["code"] is not None
    verdict = judge(mock.state.journal.records())
    assert verdict.passed, verdict.render()
    assert verdict.attempts == (2 if status in {408, 429} or status >= 500 else 1)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_one_failure_is_tried_again(gateway: OwnGateway, mock: LLMockServer, stream: bool) -> None:
    mock.state.scenarios.add(Fail(500), Reply(REPLY, times=None))
    heard = await ask(gateway, "Where is my parcel?", stream=stream)
    assert (heard.whole, heard.text) == (True, REPLY)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_wait_longer_than_the_deadline_is_the_callers(
    gateway: OwnGateway, mock: LLMockServer, stream: bool
) -> None:
    mock.state.scenarios.add(Fail(429, retry_after=60, times=None))
    heard = await ask(gateway, "Where is my parcel?", stream=stream)
    assert heard.seconds < 1
    assert heard.status in {429, 503}
    assert 50 <= float(heard.headers["retry-after"]) <= 60


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_slow_answer(gateway: OwnGateway, mock: LLMockServer, stream: bool) -> None:
    mock.state.scenarios.add(SlowFirstToken(9.0, times=None) if stream else Delay(9.0, times=None))
    heard = await ask(gateway, "Where is my parcel?", stream=stream)
    assert heard.error is not None
    assert (heard.status, heard.error["code"]) == (504, "upstream_timeout")
    assert heard.seconds < LIMIT


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("kind", ["malformed_arguments", "unknown_tool"])
async def test_what_a_tool_is_called_with_is_not_ours_to_judge(
    gateway: OwnGateway, mock: LLMockServer, kind: Any, stream: bool
) -> None:
    call = ToolCall("weather", {"city": "北京"})
    mock.state.scenarios.add(Reply(tool_calls=(call,), times=None), ToolFault(kind, times=None))
    heard = await ask(gateway, "Will it rain?", stream=stream, tools=TOOLS)
    assert (heard.whole, heard.finish) == (True, "tool_calls")
    assert "tool_calls" in heard.body.decode()
    if not stream:
        [made] = json.loads(heard.body)["choices"][0]["message"]["tool_calls"]
        if kind == "unknown_tool":
            assert made["function"]["name"] != "weather"
        else:
            with pytest.raises(json.JSONDecodeError):
                json.loads(made["function"]["arguments"])
