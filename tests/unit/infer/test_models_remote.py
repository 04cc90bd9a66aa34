"""The third kind of encoder, against a real server on this machine."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from aiohttp import web

from xiaoer_server.infer.encoder import Encoder
from xiaoer_server.infer.manifest import Manifest, ModelRefused, sha256_of, write
from xiaoer_server.infer.remote import LARGEST, RemoteFailed

Answer = Callable[[dict[str, Any]], web.StreamResponse]


def _good(asked: dict[str, Any]) -> web.Response:
    rows = [{"index": i, "embedding": [3.0, 4.0 + i]} for i, _ in enumerate(asked["input"])]
    return web.json_response({"data": rows[::-1]})


@contextlib.asynccontextmanager
async def _serving(answers: list[Answer], seen: list[Any]) -> AsyncIterator[str]:
    async def handle(request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        seen.append((request.headers.get("Authorization"), asked))
        return answers[-1](asked)

    app = web.Application()
    app.router.add_post("/v1/embeddings", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    finally:
        await runner.cleanup()


def _folder(tmp_path: Path, **remote: Any) -> Path:
    (tmp_path / "remote.json").write_bytes(msgspec.json.encode({"model": "m", **remote}))
    hashes = {"remote.json": sha256_of(tmp_path / "remote.json")}
    write(tmp_path, Manifest(name="far", kind="encoder", engine="openai", files=hashes, dimensions=2))
    return tmp_path


async def test_embeddings_in_order_and_of_length_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAR_KEY", "sk-secret")
    seen: list[Any] = []
    async with _serving([_good], seen) as url:
        folder = _folder(tmp_path, base_url=url, key_env="FAR_KEY", allow_private=True)
        encoder = await asyncio.to_thread(Encoder, folder)
        vectors = await asyncio.to_thread(encoder.embed, ["a", "bb"])
    assert np.allclose(vectors[0], [0.6, 0.8])
    assert np.allclose(vectors[1], np.array([3, 5]) / np.sqrt(34))
    authorization, asked = seen[-1]
    assert authorization == "Bearer sk-secret"
    assert asked == {"model": "m", "input": ["a", "bb"], "encoding_format": "float"}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda asked: web.Response(status=500), "status 500"),
        (lambda asked: web.Response(status=302, headers={"Location": "http://127.0.0.1:1/"}), "status 302"),
        (lambda asked: web.Response(text="<html>"), "no embeddings"),
        (lambda asked: web.json_response({"data": []}), "other embeddings"),
        (lambda asked: web.json_response({"data": [{"index": 1, "embedding": [1, 2]}]}), "other embeddings"),
        (lambda asked: web.Response(body=b" " * (LARGEST + 1)), "longer than"),
    ],
)
async def test_answers_that_are_none(tmp_path: Path, answer: Answer, words: str) -> None:
    answers: list[Answer] = [_good]
    async with _serving(answers, []) as url:
        encoder = await asyncio.to_thread(Encoder, _folder(tmp_path, base_url=url, allow_private=True))
        answers.append(answer)
        with pytest.raises(RemoteFailed, match=words):
            await asyncio.to_thread(encoder.embed, ["a"])
        answers.append(lambda asked: web.json_response({"data": [{"index": 0, "embedding": [1, 2, 3]}]}))
        with pytest.raises(ModelRefused, match="makes 3 dimensions and says 2"):
            await asyncio.to_thread(encoder.embed, ["a"])


def test_private_addresses_and_missing_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for host in ("127.0.0.1", "localhost", "10.0.0.1", "[::1]"):
        with pytest.raises(RemoteFailed, match="refused"):
            Encoder(_folder(tmp_path, base_url=f"http://{host}:9/v1"))
    monkeypatch.delenv("FAR_KEY", raising=False)
    with pytest.raises(ModelRefused, match="FAR_KEY"):
        Encoder(_folder(tmp_path, base_url="https://example.com/v1", key_env="FAR_KEY"))
    for remote in ({"base_url": "file:///etc"}, {"base_url": "https://user@host/v1"}, {"base_url": "http://h:99999"}):
        with pytest.raises(ModelRefused, match=r"remote\.json"):
            Encoder(_folder(tmp_path, **remote))
