"""A dialogue under way, and the JSON it is stored as."""

from __future__ import annotations

from typing import Literal

import msgspec

from .flow_model import Value

#: Dialogues that wait below the running one.
DEEPEST = 3

#: A state of more bytes is none of ours.
LARGEST = 131_072


class Run(msgspec.Struct, omit_defaults=True):
    """One dialogue on one version of a flow.

    Args:
        id: Part of the idempotency key of its webhooks.
        at: When its last question was put, in seconds since the epoch.
        slots: What the visitor said.
        saved: What webhooks answered.
        tries: Answers to the question that were not understood.
        asked: How often each state's question was put.
        turns: Messages that it took.
        aside: Questions about something else that were answered meanwhile.
        language: The visitor's, so that a message of digits alone changes nothing.
    """

    id: str
    flow: str
    version: str
    state: str
    at: float
    slots: dict[str, Value] = {}
    saved: dict[str, Value] = {}
    tries: int = 0
    asked: dict[str, int] = {}
    turns: int = 0
    aside: int = 0
    language: Literal["zh", "en"] = "zh"


class Dialogue(msgspec.Struct, omit_defaults=True):
    """What is stored: the running dialogue is the last one, those below wait for it."""

    runs: list[Run]
    v: int = 1


_decoder = msgspec.json.Decoder(Dialogue)
_encoder = msgspec.json.Encoder()


def decode(state: bytes | None) -> list[Run]:
    """The dialogues of a state; [] for none, and for one that cannot be read."""
    if not state or len(state) > LARGEST:
        return []
    try:
        dialogue = _decoder.decode(state)
    except (msgspec.DecodeError, RecursionError):
        return []
    return dialogue.runs[-DEEPEST:] if dialogue.v == 1 else []


def encode(runs: list[Run]) -> bytes | None:
    """The state of these dialogues; None for none."""
    return _encoder.encode(Dialogue(runs)) if runs else None
