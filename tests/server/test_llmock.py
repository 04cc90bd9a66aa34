"""Bad upstreams once more, by another's simulator: `llmock` (MIT) knows its own set of faults and judges retries."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from llmock.scenarios import Fail, Reply, StreamFault
from llmock.testing import LLMockServer
from llmock.verdict import judge

from support.asking import REPLY, ask, toml
from support.process import XiaoerProcess, running


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
def served(tmp_path_factory: pytest.TempPathFactory, server_of_llmock: LLMockServer) -> Iterator[XiaoerProcess]:
    data = tmp_path_factory.mktemp("llmock") / "data"
    # The demo has a flow for a question about a parcel; here the model answers it.
    environ = {"XIAOER_FLOWS_ENABLED": "false"}
    with running(data, toml=toml(server_of_llmock.base_url("openai")), environ=environ) as server:
        yield server


async def test_a_whole_stream_is_stored_as_it_came(served: XiaoerProcess, mock: LLMockServer) -> None:
    mock.state.scenarios.add(Fail(500), Reply(REPLY, times=None))
    text, done, entry = await ask(served, "Where is my parcel?")
    assert (text, done["finish_reason"]) == (REPLY, "stop")
    assert entry["status"] == "complete"


@pytest.mark.parametrize("kind", ["disconnect", "truncate", "stall", "malformed"])
async def test_broken_streams_are_never_stored_as_whole(served: XiaoerProcess, mock: LLMockServer, kind: Any) -> None:
    mock.state.scenarios.add(Reply(REPLY, times=None), StreamFault(kind, after_chunks=3, stall_seconds=5.0))
    text, done, entry = await ask(served, "Where is my parcel?")
    assert done["finish_reason"] in {"timeout", "upstream_error"}
    assert (entry["status"], entry["text"]) == ("interrupted", text)
    assert REPLY.startswith(text)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 429, 500, 502, 503])
async def test_refusals_fall_back_and_obey_the_rules_of_retrying(
    served: XiaoerProcess, mock: LLMockServer, status: int
) -> None:
    retry_after = 0.2 if status in {429, 503} else None
    mock.state.scenarios.add(Fail(status, retry_after=retry_after, times=None))
    _, _, entry = await ask(served, "How long does delivery take?")
    assert entry["answered_by"] == "knowledge"
    verdict = judge(mock.state.journal.records())
    assert verdict.passed, verdict.render()
    assert verdict.attempts == (3 if status in {408, 429} or status >= 500 else 1)
