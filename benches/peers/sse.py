"""Decoders of event streams: bytes of a model's answer in, the texts of its deltas out."""

import codecs
import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

from benches.peers import need
from benches.run import this_run
from xiaoer import SSEDecoder, chat_delta

_LACKS = "bounded event size, deltas without the whole object"
openai_streaming: Any = need("openai", "openai._streaming", licence="Apache-2.0", lacks=_LACKS)
openai_chat: Any = need("openai", "openai.types.chat", licence="Apache-2.0", lacks=_LACKS)
httpx_sse: Any = need("httpx-sse", "httpx_sse", licence="MIT", lacks="bytes (decode them first), bounded event size")
orjson: Any = need("orjson", "orjson", licence="MIT or Apache-2.0", lacks="events")

Deltas = Callable[[Iterable[bytes]], list[str]]


class Codec(NamedTuple):
    """From chunks as they come from the network to texts."""

    name: str
    deltas: Deltas


def _ours(chunks: Iterable[bytes]) -> list[str]:
    feed = SSEDecoder().feed
    texts = []
    for chunk in chunks:
        for event in feed(chunk):
            if event.data == b"[DONE]":
                continue
            text = chat_delta(event.data)
            if text:
                texts.append(text)
    return texts


class _Delta(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    delta: _Delta


class _Answer(msgspec.Struct):
    choices: list[_Choice]


def _payloads(chunks: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        *events, rest = (rest + chunk).split(b"\n\n")
        for event in events:
            if event.startswith(b"data: ") and event != b"data: [DONE]":
                yield event[6:]


_decode = msgspec.json.Decoder(_Answer).decode


def _split_msgspec(chunks: Iterable[bytes]) -> list[str]:
    texts = []
    for payload in _payloads(chunks):
        choices = _decode(payload).choices
        if choices and choices[0].delta.content:
            texts.append(choices[0].delta.content)
    return texts


def _texts(payloads: Iterable[Any], loads: Callable[[Any], Any]) -> list[str]:
    texts = []
    for payload in payloads:
        choices = loads(payload)["choices"]
        text = choices[0]["delta"].get("content") if choices else None
        if text:
            texts.append(text)
    return texts


def _split_orjson(chunks: Iterable[bytes]) -> list[str]:
    return _texts(_payloads(chunks), orjson.loads)


def _httpx_sse(chunks: Iterable[bytes]) -> list[str]:
    return _texts(_httpx_sse_payloads(chunks), json.loads)


def _httpx_sse_payloads(chunks: Iterable[bytes]) -> Iterator[str]:
    # What EventSource.iter_sse does behind the response's bytes.
    from httpx_sse._decoders import SSEDecoder as Events
    from httpx_sse._decoders import SSELineDecoder as Lines

    lines, events = Lines(), Events()
    decode = codecs.getincrementaldecoder("utf-8")().decode  # as the response's iter_text does
    for chunk in chunks:
        for line in lines.decode(decode(chunk)):
            event = events.decode(line)
            if event is not None and event.data != "[DONE]":
                yield event.data


def _openai_events(chunks: Iterable[bytes]) -> Iterator[Any]:
    for event in openai_streaming.SSEDecoder().iter_bytes(iter(chunks)):
        if event.data.startswith("[DONE]"):
            break
        yield event


def _openai(chunks: Iterable[bytes]) -> list[str]:
    return _texts(_openai_events(chunks), lambda event: event.json())


def _openai_typed(chunks: Iterable[bytes]) -> list[str]:
    # What its Stream does with each event, for a chat completion.
    from openai._models import construct_type

    texts = []
    for event in _openai_events(chunks):
        answer: Any = construct_type(type_=openai_chat.ChatCompletionChunk, value=event.json())
        if answer.choices and answer.choices[0].delta.content:
            texts.append(answer.choices[0].delta.content)
    return texts


def decoders() -> list[Codec]:
    """All that run in this process."""
    found = [Codec("xiaoer", _ours)]
    if this_run() == "native":
        found.append(Codec("split + msgspec", _split_msgspec))
        found += [Codec("split + orjson", _split_orjson)] if orjson else []
        found += [Codec("httpx-sse + json", _httpx_sse)] if httpx_sse else []
        found += [Codec("openai, to dicts", _openai)] if openai_streaming else []
        found += [Codec("openai, to its types", _openai_typed)] if openai_chat else []
    return found
