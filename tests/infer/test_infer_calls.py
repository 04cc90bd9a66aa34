"""Embed, classify, verify, upload and health against a real process, over a Unix socket and over TCP."""

from __future__ import annotations

import asyncio
import hashlib
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from support.tiny_model import TinyEncoder, head
from xiaoer_server.infer import service_pb2 as messages
from xiaoer_server.infer import service_pb2_grpc as stubs
from xiaoer_server.infer.client import InferClient, InferError
from xiaoer_server.infer.limits import TEXT_CHARS, TEXTS

from .conftest import ModelProcess

Start = Callable[..., ModelProcess]
Connect = Callable[..., Awaitable[InferClient]]


@pytest.mark.parametrize("over", ["unix", "tcp"])
async def test_vectors_are_those_of_the_model(
    running: ModelProcess, model_process: Start, client_of: Connect, tiny: TinyEncoder, over: str
) -> None:
    process = running if over == "unix" else model_process(listen="127.0.0.1:0")
    assert process.address.startswith("unix:/" if over == "unix" else "127.0.0.1:")
    client = await client_of(process.address)
    texts = ["怎么退货", "where is my parcel", "é\x00😀"]
    vectors = await client.embed(texts)
    expected = tiny.embed(texts, "query")
    assert vectors.shape == (3, 32)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, expected, atol=1e-6)
    assert client.version == tiny.version
    assert client.dimensions == 32
    assert (await client.embed([])).shape == (0, 32)


async def test_more_texts_than_one_request_carries_keep_their_order(
    running: ModelProcess, client_of: Connect, tiny: TinyEncoder
) -> None:
    client = await client_of(running.address)
    texts = [f"text number {number}" for number in range(2 * TEXTS + 3)]
    vectors = await client.embed(texts, kind="passage", deadline=10)
    np.testing.assert_allclose(vectors, tiny.embed(texts, "passage"), atol=1e-6)


async def test_long_and_odd_texts_are_taken(running: ModelProcess, client_of: Connect, tiny: TinyEncoder) -> None:
    client = await client_of(running.address)
    vectors = await client.embed(["好" * 1_000_000, "half \ud83d of a pair"])
    expected = tiny.embed(["好" * TEXT_CHARS, "half ? of a pair"], "query")
    np.testing.assert_allclose(vectors, expected, atol=1e-6)


async def test_a_head_is_uploaded_when_it_is_wanted(running: ModelProcess, client_of: Connect) -> None:
    client = await client_of(running.address)
    rows = await client.embed(["怎么退货", "查快递"])
    content = head(["return", "parcel"], rows)
    name = client.offer_head(content)
    assert name == hashlib.sha256(content).hexdigest()
    # Twenty at once: the service has it after one upload.
    found = await asyncio.gather(*(client.classify(name, ["怎么退货", "查快递", "查快递呀"]) for _ in range(20)))
    for scores in found:
        assert [one.labels[0][0] for one in scores] == ["return", "parcel", "parcel"]
        assert scores[0].inside == pytest.approx(1, abs=1e-5)
        assert scores[2].inside < 1
    assert running.log.count("head " + name[:12]) == 1


async def test_a_head_that_nobody_offered_is_invalid(running: ModelProcess, client_of: Connect) -> None:
    client = await client_of(running.address)
    name = client.offer_head(head(["a"], await client.embed(["a"])))
    client.withdraw_head(name)
    with pytest.raises(InferError) as raised:
        await client.classify(name, ["a"])
    assert raised.value.kind == "invalid"


async def test_bytes_that_are_no_head_or_do_not_fit_are_invalid(running: ModelProcess, client_of: Connect) -> None:
    client = await client_of(running.address)
    rows = [np.zeros((1, 7), np.float32), np.full((1, 32), np.nan, np.float32)]
    for content in (b"not a head", *(head(["a"], row) for row in rows)):
        with pytest.raises(InferError) as raised:
            await client.classify(client.offer_head(content), ["a"])
        assert raised.value.kind == "invalid"
    assert (await client.embed(["still there"])).shape == (1, 32)


async def test_a_wrong_hash_is_refused(running: ModelProcess) -> None:
    async with grpc.aio.insecure_channel(running.address) as channel:
        stub = stubs.InferStub(channel)
        content = head(["a"], np.zeros((1, 32), np.float32))
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await stub.Upload(messages.Head(sha256=hashlib.sha256(b"another").hexdigest(), content=content), timeout=5)
        assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "sha256" in (raised.value.details() or "")
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await stub.Classify(
                messages.ClassifyRequest(head=hashlib.sha256(content).hexdigest(), texts=["a"]), timeout=5
            )
        assert raised.value.code() is grpc.StatusCode.NOT_FOUND


async def test_more_than_is_allowed_is_refused(running: ModelProcess) -> None:
    async with grpc.aio.insecure_channel(running.address) as channel:
        stub = stubs.InferStub(channel)
        for texts in (["a"] * (TEXTS + 1), ["a" * (TEXT_CHARS + 1)]):
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await stub.Embed(messages.EmbedRequest(texts=texts), timeout=5)
            assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        # A message beyond the limit of the wire does not reach the service at all.
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await stub.Upload(messages.Head(sha256="0" * 64, content=bytes(32 << 20)), timeout=5)
        assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert len((await stub.Embed(messages.EmbedRequest(texts=["a"]), timeout=5)).vectors) == 128


async def test_verify(running: ModelProcess, client_of: Connect) -> None:
    client = await client_of(running.address)
    assert client.can_verify
    found = await client.verify([("怎么退货", "货退怎么"), ("怎么退货", "parcel")])
    assert found[0] == pytest.approx(1, abs=1e-5)
    assert found[1] < 0.5
    assert await client.verify([]) == []


async def health(process: ModelProcess) -> object:
    async with grpc.aio.insecure_channel(process.address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        request = health_pb2.HealthCheckRequest(service="xiaoer.infer.v1.Infer")
        return (await stub.Check(request, timeout=5)).status


async def test_what_is_not_loaded_is_said(running: ModelProcess, model_process: Start, client_of: Connect) -> None:
    client = await client_of(model_process("--without-verifier").address)
    assert not client.can_verify
    with pytest.raises(InferError) as raised:
        await client.verify([("a", "b")])
    assert raised.value.kind == "no_model"
    bare = model_process("--without-encoder")
    other = await client_of(bare.address, wait=False)
    with pytest.raises(InferError) as raised:
        await other.embed(["a"], deadline=5)
    assert raised.value.kind == "no_model"
    assert not other.ready
    assert await health(bare) == health_pb2.HealthCheckResponse.NOT_SERVING
    assert await health(running) == health_pb2.HealthCheckResponse.SERVING


async def test_the_socket_is_for_this_user_alone(running: ModelProcess) -> None:
    path = Path(running.address.removeprefix("unix:"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_a_port_that_is_taken_is_an_error(model_process: Start) -> None:
    first = model_process(listen="127.0.0.1:0")
    with pytest.raises(RuntimeError, match=r"cannot listen on 127\.0\.0\.1"):
        model_process(listen=first.address)


async def test_a_text_that_breaks_the_model_fails_alone(model_process: Start, client_of: Connect) -> None:
    client = await client_of(model_process("--batch-wait-ms", "20").address)
    answers = await asyncio.gather(*(client.embed([text]) for text in ["a", "boom", "b", "c"]), return_exceptions=True)
    assert [isinstance(answer, InferError) for answer in answers] == [False, True, False, False]
