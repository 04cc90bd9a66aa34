"""Every fault of the simulator behind the gateway: a clear error or another provider, never a cut answer as whole."""

from __future__ import annotations

import asyncio
import time

import httpx
import openai
import pytest

from benches.load.faults import KINDS
from support.gateway import UPSTREAM_KEY, Gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")

REPLY = "Your parcel is on its way and will be with you on Wednesday at noon."
HARMLESS = {"ok", "no_done", "slow_first"}


async def answer(gateway: Gateway, fault: str, *, model: str, stream: bool) -> str:
    messages = [{"role": "user", "content": f"[[fault:{fault}]] [[reply:{REPLY}]]"}]
    async with gateway.client() as client:
        if not stream:
            whole = await client.chat.completions.create(model=model, messages=messages)  # type: ignore[arg-type]
            return whole.choices[0].message.content or ""
        said = []
        finish = None
        async for chunk in await client.chat.completions.create(model=model, messages=messages, stream=True):  # type: ignore[arg-type]
            said.append(chunk.choices[0].delta.content or "")
            finish = chunk.choices[0].finish_reason or finish
        assert finish == "stop", "a stream that ends without an error is whole"
        return "".join(said)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("fault", sorted(KINDS))
async def test_a_fault_is_an_error_or_no_matter(gateway: Gateway, fault: str, stream: bool) -> None:
    began = time.monotonic()
    try:
        text = await answer(gateway, fault, model="sim-model", stream=stream)
    except (openai.APIError, httpx.HTTPError) as error:
        failure: Exception | None = error
    else:
        failure = None
        assert text == REPLY
    assert UPSTREAM_KEY not in str(failure)
    if isinstance(failure, openai.APIStatusError):
        assert failure.code or failure.status_code == 400
    assert failure is None or fault not in HARMLESS - {"slow_first"}
    assert time.monotonic() - began < 8


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("fault", ["429=30", "500", "redirect"])
async def test_before_the_first_byte_another_provider_answers(gateway: Gateway, fault: str, stream: bool) -> None:
    gateway.first.script.append(fault)
    try:
        messages = [{"role": "user", "content": f"[[reply:{REPLY}]]"}]
        async with gateway.client() as client:
            whole = await client.chat.completions.create(model="two", messages=messages)  # type: ignore[arg-type]
        assert whole.choices[0].message.content == REPLY
    finally:
        gateway.first.script.clear()


async def test_a_private_address_is_refused(gateway: Gateway) -> None:
    async with gateway.client() as client:
        with pytest.raises(openai.APIStatusError) as caught:
            await client.chat.completions.create(model="refused", messages=[{"role": "user", "content": "hi"}])
    assert caught.value.status_code == 502
    assert "127.0.0.1" not in caught.value.message
    assert "allow_private" in await asyncio.to_thread(gateway.server.log.read_text, "utf-8")


async def test_a_deadline_travels(gateway: Gateway) -> None:
    began = time.monotonic()
    async with gateway.client(default_headers={"X-Xiaoer-Timeout": "0.4"}) as client:
        with pytest.raises(openai.InternalServerError) as caught:
            await client.chat.completions.create(
                model="sim-model", messages=[{"role": "user", "content": "[[fault:slow_first=4]]"}]
            )
    assert caught.value.status_code == 504
    assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[]", 400),
        (b'{"model":"sim-model","model":"two","messages":[]}', 400),
        (b'{"model":"sim-model","messages":[{"role":"user","content":"x","content":"y"}]}', 400),
        (b'{"model":"sim-model","messages":[],"temperature":NaN}', 400),
        (b'{"model":"sim-model","x":' + b"[" * 50_000 + b"]" * 50_000 + b"}", 400),
        (b'{"model":"sim-model","messages":[{"role":"user","content":"\xff"}]}', 400),
        (b'{"model":"sim-model","messages":[{"role":"user","content":"\\ud800"}]}', 400),
        (b'{"model":7,"messages":[]}', 400),
        (b'{"model":"sim-model","messages":[{"role":"user","content":"hi"}],"stream":"yes"}', 400),
        (b'{"model":"sim-model","messages":[{"role":"user","content":"' + b"x" * 9_000_000 + b'"}]}', 413),
    ],
    ids=lambda value: value[:40] if isinstance(value, bytes) else value,
)
async def test_bad_bodies(gateway: Gateway, body: bytes, status: int) -> None:
    headers = {"authorization": f"Bearer {gateway.key}", "content-type": "application/json"}
    async with httpx.AsyncClient() as client:
        try:
            response = await client.post(f"{gateway.base_url}/chat/completions", content=body, headers=headers)
        except httpx.WriteError:
            assert status == 413  # it stopped listening before all was sent
            return
        assert response.status_code == status
        assert set(response.json()["error"]) == {"message", "type", "param", "code"}
        assert (await client.get(f"{gateway.base_url}/models", headers=headers)).status_code == 200


async def test_a_large_body_needs_a_key(gateway: Gateway) -> None:
    body = b'{"model":"sim-model","messages":[{"role":"user","content":"' + b"x" * 200_000 + b'"}],"max_tokens":3}'
    async with httpx.AsyncClient() as client:
        url = f"{gateway.base_url}/chat/completions"
        headers = {"content-type": "application/json"}
        known = await client.post(url, content=body, headers={**headers, "authorization": f"Bearer {gateway.key}"})
        assert known.status_code == 200
        try:
            stranger = await client.post(url, content=body, headers={**headers, "authorization": "Bearer xk-no"})
        except httpx.WriteError:
            return
        assert stranger.status_code == 413
