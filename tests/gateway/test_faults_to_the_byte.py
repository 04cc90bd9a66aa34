"""Every fault of the simulator, one provider or two, streamed or not: read as the strictest client would.

What may come back is a whole answer, or an error in OpenAI's shape; a stream that broke off holds what had come, an
error, and no [DONE].
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from benches.load.faults import INSTEAD, KINDS, MIDWAY, STATUSES
from benches.load.simulator import Simulator
from support.gateway import UPSTREAM_KEY
from support.own_gateway import OwnGateway, model, own_gateway, provider
from support.recording import Upstream, says, whole
from support.strict_caller import Heard, ask

pytestmark = pytest.mark.asyncio(loop_scope="module")

REPLY = "您的包裹周一已经发出。It will be with you on Wednesday at noon, signed for by the neighbour."

FIRST_TOKEN, TOKEN, ANSWER = 0.6, 0.4, 1.8
#: What a call may take: the deadline, once more for a retry or a fallback within it, and a busy machine.
LIMIT = ANSWER + 2.0

#: The caller's own fault: no other provider would say anything else.
OWN = {"400"}
#: No fault at all as long as every byte comes.
HARMLESS = {"no_done", "slow_first=0.2"}
#: It is for the gateway to choose whether it understands what it did not ask for.
EITHER = {"gzip"}
FAULTS = sorted((KINDS - {"slow_first"}) | {"slow_first=0.2", "slow_first=30", "stall=0", "truncate=0", "reset=0"})

FAST = {"first_token_seconds": FIRST_TOKEN, "token_seconds": TOKEN, "answer_seconds": ANSWER}


@pytest.fixture(scope="module")
def spare() -> Iterator[Upstream]:
    with Upstream() as upstream:
        yield upstream


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def gateway(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, spare: Upstream
) -> AsyncIterator[OwnGateway]:
    """One that speaks to its providers itself, unless the parameter names another adapter."""
    data = tmp_path_factory.mktemp("strict") / "data"
    adapter = getattr(request, "param", "raw")
    async with Simulator(tokens=40, rate=400.0, first_token=0.0) as simulator:
        with own_gateway(
            data,
            "[gateway]\nretries = 1\nretry_budget = 1.0\n",
            provider("sim", simulator.base_url, adapter=adapter, **FAST),
            provider("spare", spare.base_url, adapter=adapter, **FAST),
            model("sim-model", "sim"),
            model("both", "sim/sim-model", "spare/spare-model"),
            model("spare", "spare/spare-model"),
        ) as gateway:
            yield gateway


@pytest.fixture(autouse=True)
def _forget(spare: Upstream) -> None:
    spare.clear()


def is_cut(heard: Heard) -> None:
    """An error, after some of the answer or none of it, that no client takes for a whole answer."""
    assert not heard.whole
    assert heard.error is not None, heard
    assert not (heard.status == 200 and heard.done), "[DONE] after an error"
    assert REPLY.startswith(heard.text)
    assert heard.error["code"], heard.error
    assert heard.status in {200, 429, 502, 503, 504}, heard
    assert UPSTREAM_KEY.encode() not in heard.body


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("fault", FAULTS)
async def test_alone(gateway: OwnGateway, fault: str, stream: bool) -> None:
    await judge(gateway, fault, stream)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("gateway", ["sdk"], indirect=True)
async def test_alone_through_the_sdk(gateway: OwnGateway, fault: str, stream: bool) -> None:
    await judge(gateway, fault, stream)


async def judge(gateway: OwnGateway, fault: str, stream: bool) -> None:
    heard = await ask(gateway, f"[[fault:{fault}]] [[reply:{REPLY}]]", stream=stream)
    assert heard.seconds < LIMIT
    if fault in HARMLESS or (fault in EITHER and heard.whole):
        assert heard.whole, heard
        assert (heard.text, heard.finish) == (REPLY, "stop")
    elif fault in OWN:
        assert heard.status == int(fault)
        assert heard.error is not None
    else:
        is_cut(heard)
    if fault in {"hang", "slow_first=30"} or (fault == "stall=0" and not stream):
        assert heard.error is not None
        assert (heard.status, heard.error["code"]) == (504, "upstream_timeout")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("fault", FAULTS)
async def test_with_a_second_provider(gateway: OwnGateway, spare: Upstream, fault: str, stream: bool) -> None:
    """Before the caller has seen a byte another provider answers; afterwards a failure is told."""
    kind, _, at = fault.partition("=")
    heard = await ask(gateway, f"[[fault:{fault}]] [[reply:{REPLY}]]", stream=stream, model="both")
    assert heard.seconds < LIMIT
    if fault in HARMLESS:
        assert not spare.requests
    if fault in OWN:
        assert heard.status == int(fault)
        assert not spare.requests
    elif heard.whole:
        assert (heard.text, heard.finish) == (REPLY, "stop")
        assert len(spare.requests) == (0 if fault in HARMLESS or (fault in EITHER and not spare.requests) else 1)
    else:
        is_cut(heard)
        # Without a stream nothing has been seen; the time may be over, though.
        late = kind in {"hang", "stall", "slow_first"} and not stream
        assert late or (stream and kind in MIDWAY and at != "0"), heard
    if kind in STATUSES - OWN or kind in INSTEAD - {"hang"}:
        assert heard.whole, heard
        assert spare.requests[-1].json["model"] == "spare-model"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(gateway: OwnGateway, spare: Upstream, status: int, stream: bool) -> None:
    """Nor does the key go with it."""
    with Upstream() as elsewhere:
        location = f"location: {elsewhere.base_url}/chat/completions\r\n"
        spare.always = says(whole(status, {}, location))
        heard = await ask(gateway, "hello", stream=stream, model="spare")
        assert heard.error is not None
        assert (heard.status, heard.error["code"]) == (502, "upstream_unavailable")
        assert str(elsewhere.port) not in heard.error["message"]
        assert not elsewhere.requests


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_the_key_of_the_upstream_is_no_part_of_what_it_says(
    gateway: OwnGateway, spare: Upstream, stream: bool
) -> None:
    """Servers like to repeat the key that they refuse."""
    message = f"Incorrect API key provided: {UPSTREAM_KEY}. You can find your key in the settings."
    refusal = {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": "invalid_api_key"}}
    for status in (400, 401, 403, 422, 429, 500):
        spare.always = says(whole(status, refusal))
        heard = await ask(gateway, "hello", stream=stream, model="spare")
        assert UPSTREAM_KEY.encode() not in heard.body, status
        assert heard.status != 401
    assert UPSTREAM_KEY not in gateway.log


@pytest.mark.parametrize(
    "head",
    [
        b"content-length: 5\r\ncontent-length: 7\r\n\r\n",
        b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"content-length: -1\r\n\r\n",
        b"content-length: 99999999999999999999999\r\n\r\n",
        b"transfer-encoding: chunked\r\n\r\nfffffffffffffffffffff\r\n",
        b"transfer-encoding: chunked\r\n\r\nzz\r\n",
        b"x: " + b"y" * 200_000 + b"\r\n\r\n",
        b"".join(b"x%d: y\r\n" % number for number in range(20_000)) + b"\r\n",
        b"x\x00y: z\r\n\r\n",
        b"upgrade: websocket\r\nconnection: upgrade\r\n\r\n",
    ],
    ids=[
        "two lengths",
        "length and chunks",
        "negative",
        "huge",
        "huge chunk",
        "no chunk",
        "long",
        "many",
        "nul",
        "101",
    ],
)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_heads_that_nobody_should_send(gateway: OwnGateway, spare: Upstream, head: bytes, stream: bool) -> None:
    kind = b"text/event-stream" if stream else b"application/json"
    spare.always = says(b"HTTP/1.1 200 OK\r\ncontent-type: " + kind + b"\r\n" + head, then="wait")
    is_cut(await ask(gateway, "hello", stream=stream, model="spare"))
    spare.always = None
    assert (await ask(gateway, f"[[reply:{REPLY}]]", stream=stream, model="spare")).text == REPLY


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"choices":7}',
        b'"text"',
        b'{"object":"chat.completion"}',
        b"\xff\xfe",
        b"[" * 9_999,
    ],
    ids=lambda body: repr(body[:12]),
)
async def test_bodies_that_are_no_answer(gateway: OwnGateway, spare: Upstream, body: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
    spare.always = says(head + body)
    is_cut(await ask(gateway, "hello", stream=False, model="spare"))


def chunks(*choices: str) -> bytes:
    """Events of one choice each."""
    return "".join(f'data: {{"choices":[{{{choice}}}]}}\n\n' for choice in choices).encode()


HALF = '"index":0,"delta":{"content":"half"},"finish_reason":null'
OTHER = '"index":1,"delta":{"content":"half"},"finish_reason":null'
FINISH = '"index":0,"delta":{},"finish_reason":"stop"'
STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
DONE = b"data: [DONE]\n\n"


@pytest.mark.parametrize(
    "events",
    [
        b"",
        b": still thinking\n\n",
        DONE,
        b"data: {}\n\n" + DONE,
        b"data: null\n\n",
        b"data: \xff\n\n",
        b'data: {"choices":{}}\n\n',
        chunks('"index":0,"delta":{"content":7},"finish_reason":null'),
        chunks(HALF),
        chunks(HALF) + b": bye\n\n",
        chunks(HALF) + DONE,
        chunks(HALF) + b"data: " + DONE,
        chunks(HALF) + b'data: {"error":{"message":"overloaded","type":"server_error"}}\n\n',
        chunks(HALF, FINISH)[:-2],
    ],
    ids=[
        *("nothing", "comment", "done", "empty", "null", "utf-8", "object", "number", "half", "half, comment"),
        *("half, done", "half, odd", "half, error", "half a finish"),
    ],
)
@pytest.mark.parametrize("then", ["close", "reset", "wait"])
async def test_streams_that_are_no_answer(gateway: OwnGateway, spare: Upstream, events: bytes, then: str) -> None:
    spare.always = says(STREAM + events, then=then)
    heard = await ask(gateway, "hello", stream=True, model="spare")
    assert heard.error is not None, heard
    assert not heard.done
    assert heard.seconds < LIMIT


@pytest.mark.parametrize("then", ["close", "reset", "wait"])
async def test_one_of_two_choices_is_not_the_whole_answer(gateway: OwnGateway, spare: Upstream, then: str) -> None:
    spare.always = says(STREAM + chunks(HALF, OTHER, FINISH), then=then)
    heard = await ask(gateway, "hello", stream=True, model="spare", n=2)
    assert heard.error is not None, heard
    assert not heard.done


@pytest.mark.parametrize("then", ["close", "reset", "wait"])
@pytest.mark.parametrize("end", [b"", DONE], ids=["bare", "done"])
async def test_a_finish_reason_makes_it_whole(gateway: OwnGateway, spare: Upstream, end: bytes, then: str) -> None:
    spare.always = says(STREAM + chunks(HALF, FINISH) + end, then=then)
    heard = await ask(gateway, "hello", stream=True, model="spare")
    assert heard.whole, heard
    assert heard.text == "half"


async def test_a_silent_upstream_is_asked_once(gateway: OwnGateway, spare: Upstream) -> None:
    """A connection that was kept alive and says nothing is no stale one: only a closed one is replaced for nothing."""
    assert (await ask(gateway, f"[[reply:{REPLY}]]", stream=True, model="spare")).whole
    spare.clear()
    spare.always = says(then="wait")
    heard = await ask(gateway, "hello", stream=True, model="spare", limit=60)
    assert heard.error is not None
    assert len(spare.requests) <= 2, "one attempt and one retry"
