"""What the recording upstream says: chat answers whole and as events, tool calls, vectors."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import struct
from collections.abc import Iterator
from typing import Any

CREATED = 1_760_000_000

_reply = re.compile(r"\[\[reply:(.*?)\]\]", re.DOTALL)
_pause = re.compile(r"\[\[pause:([\d.]+)\]\]")

#: What a model that calls a tool asks it for.
ARGUMENTS = {"city": "北京", "days": 3}


def chat(body: dict[str, Any]) -> dict[str, Any]:
    """The answer to a request that doesn't stream."""
    message, finish = _message(body)
    choices = []
    for index in range(body.get("n") or 1):
        choice = {"index": index, "message": message, "finish_reason": finish, "logprobs": None}
        if body.get("logprobs") and message["content"]:
            choice["logprobs"] = {"content": [_probability(message["content"])], "refusal": None}
        choices.append(choice)
    return {
        "id": "chatcmpl-upstream",
        "object": "chat.completion",
        "created": CREATED,
        "model": body["model"],
        "choices": choices,
        "usage": _usage(message),
        "system_fingerprint": "fp_upstream",
    }


def chat_events(body: dict[str, Any]) -> tuple[float, Iterator[bytes]]:
    """Seconds between two events, and the data of each of them."""
    found = _pause.search(_question(body))
    return float(found[1]) if found else 0.0, _events(body)


def embeddings(body: dict[str, Any]) -> dict[str, Any]:
    """A vector of each input, always the same one for the same text."""
    inputs = body["input"]
    texts = inputs if isinstance(inputs, list) and not all(isinstance(token, int) for token in inputs) else [inputs]
    data = []
    for index, text in enumerate(texts):
        values = vector(json.dumps(text, ensure_ascii=False), body.get("dimensions") or 8)
        packed = base64.b64encode(struct.pack(f"<{len(values)}f", *values)).decode()
        shown: Any = packed if body.get("encoding_format") == "base64" else values
        data.append({"object": "embedding", "index": index, "embedding": shown})
    usage = {"prompt_tokens": len(texts), "total_tokens": len(texts)}
    return {"object": "list", "data": data, "model": body["model"], "usage": usage}


def vector(text: str, dimensions: int) -> list[float]:
    """Numbers made of the text that a 32-bit float holds exactly."""
    digest = hashlib.sha256(text.encode()).digest()
    return [digest[at % 32] / 256 for at in range(dimensions)]


def _question(body: dict[str, Any]) -> str:
    for message in reversed(body["messages"]):
        if message["role"] == "user":
            content = message["content"]
            if isinstance(content, str):
                return content
            return "".join(part.get("text", "") for part in content)
    return ""


def _message(body: dict[str, Any]) -> tuple[dict[str, Any], str]:
    offered = [tool["function"]["name"] for tool in body.get("tools") or [] if tool["type"] == "function"]
    choice = body.get("tool_choice")
    if offered and choice != "none" and body["messages"][-1]["role"] != "tool":
        name = choice["function"]["name"] if isinstance(choice, dict) else offered[0]
        function = {"name": name, "arguments": json.dumps(ARGUMENTS, ensure_ascii=False)}
        calls = [{"id": "call_1", "type": "function", "function": function}]
        return {"role": "assistant", "content": None, "refusal": None, "tool_calls": calls}, "tool_calls"
    question = _question(body)
    marked = _reply.search(question)
    text = marked[1] if marked else f"You said: {question}"
    return {"role": "assistant", "content": text, "refusal": None}, "stop"


def _usage(message: dict[str, Any]) -> dict[str, int]:
    completion = len(message["content"] or "") // 3 + 1
    return {"prompt_tokens": 11, "completion_tokens": completion, "total_tokens": 11 + completion}


def _probability(text: str) -> dict[str, Any]:
    return {"token": text, "logprob": -0.25, "bytes": list(text.encode()), "top_logprobs": []}


def _events(body: dict[str, Any]) -> Iterator[bytes]:
    message, finish = _message(body)
    usage = (body.get("stream_options") or {}).get("include_usage")

    def event(choices: list[dict[str, Any]], **more: Any) -> bytes:
        head = {"id": "chatcmpl-upstream", "object": "chat.completion.chunk", "created": CREATED}
        return json.dumps({**head, "model": body["model"], "choices": choices, **more}, ensure_ascii=False).encode()

    for index in range(body.get("n") or 1):

        def choice(delta: dict[str, Any], reason: str | None = None, index: int = index) -> list[dict[str, Any]]:
            return [{"index": index, "delta": delta, "logprobs": None, "finish_reason": reason}]

        yield event(choice({"role": "assistant", "content": "" if message["content"] else None}))
        text = message["content"] or ""
        for at in range(0, len(text), 3):
            yield event(choice({"content": text[at : at + 3]}))
        for number, call in enumerate(message.get("tool_calls", [])):
            arguments = call["function"]["arguments"]
            start = {**call, "index": number, "function": {**call["function"], "arguments": ""}}
            yield event(choice({"tool_calls": [start]}))
            for at in range(0, len(arguments), 5):
                piece = {"index": number, "function": {"arguments": arguments[at : at + 5]}}
                yield event(choice({"tool_calls": [piece]}))
        yield event(choice({}, finish))
    if usage:
        yield event([], usage=_usage(message))
    yield b"[DONE]"
