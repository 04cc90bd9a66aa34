"""A model's answer as it comes over the wire: events of one token each, as OpenAI's interface sends them."""

import json
import random

from benches.alphabet import ENGLISH, chinese_chooser

IDENTITY = {"id": "chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6PeG", "object": "chat.completion.chunk", "created": 1741570283}


def make_answer(tokens: int) -> tuple[list[bytes], list[str]]:
    """The events, one a token, and the texts in them. The first names the role, the last ends it."""
    random_ = random.Random(tokens)
    choose = chinese_chooser(random_)
    texts = [
        choose(random_.randint(1, 3)) if random_.random() < 0.8 else " " + random_.choice(ENGLISH)
        for _ in range(tokens)
    ]
    deltas = [{"role": "assistant", "content": ""}, *({"content": text} for text in texts), {}]
    return [_event(delta) for delta in deltas] + [b"data: [DONE]\n\n"], texts


def _event(delta: dict[str, str]) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None if delta else "stop"}
    answer = IDENTITY | {
        "model": "gpt-4o-2024-08-06",
        "service_tier": "default",
        "system_fingerprint": "fp_fc9f1d7035",
        "choices": [choice],
        "usage": None,
    }
    return b"data: " + json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"
