"""Whether an answer that came through a gateway is the one that the simulator gave, byte by byte or text by text."""

from __future__ import annotations

import msgspec

MODEL = "sim-model"


class WrongAnswer(Exception):
    """What came is not what was sent."""


class _Delta(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    delta: _Delta = msgspec.field(default_factory=_Delta)
    message: _Delta = msgspec.field(default_factory=_Delta)
    finish_reason: str | None = None


class _Answer(msgspec.Struct):
    choices: list[_Choice]


_decode = msgspec.json.Decoder(_Answer).decode


class Expected:
    """The answer to one request, as the simulator itself gives it.

    `raw` is a whole response with head. Most answers are compared as bytes, but for the id; those of gateways that
    write them anew are read, and text, finish reason and [DONE] compared.
    """

    def __init__(self, raw: bytes, *, stream: bool) -> None:
        self.stream = stream
        self.rewritten = 0
        head, _, rest = raw.partition(b"\r\n\r\n")
        body = unchunk(rest) if stream else rest
        self.text = _read(body, stream=stream)
        self.chunks = body.count(b"data: ")  # events, with or without text
        if not self.text:
            raise WrongAnswer(f"the simulator said nothing: {head!r}")
        self._rest = _anonymous(rest)
        self._body = _anonymous(body)

    def check(self, status: int, rest: bytes, *, chunked: bool) -> None:
        """Compare what came after the head.

        Raises:
            WrongAnswer: it is another one.
        """
        if status != 200:
            raise WrongAnswer(f"status {status}: {rest[:300]!r}")
        plain = _anonymous(rest)
        if plain == (self._rest if chunked == self.stream else self._body):
            return
        body = unchunk(rest) if chunked else rest
        if _anonymous(body) == self._body:
            return
        self.rewritten += 1
        text = _read(body, stream=self.stream)
        if text != self.text:
            raise WrongAnswer(f"{len(text)} characters came, {len(self.text)} were sent: {text[:60]!r}")

    def check_raw(self, raw: bytes) -> None:
        """Compare a whole response, head and all.

        Raises:
            WrongAnswer: it is another one.
        """
        head, _, rest = raw.partition(b"\r\n\r\n")
        self.check(int(head[9:12]), rest, chunked=b"transfer-encoding: chunked" in head.lower())


def _anonymous(data: bytes) -> bytes:
    """Without the id, which is another in every answer."""
    start = data.find(b'"id":"')
    if start < 0:
        return data
    end = data.find(b'"', start + 6)
    return data.replace(data[start:end], b"")


def unchunk(data: bytes) -> bytes:
    """The body of a response in chunked transfer coding.

    Raises:
        WrongAnswer: it is not whole.
    """
    parts: list[bytes] = []
    at = 0
    while True:
        end = data.find(b"\r\n", at)
        if end < 0:
            raise WrongAnswer(f"the body breaks off after {at} bytes")
        size = int(data[at:end].partition(b";")[0], 16)
        if not size:
            return b"".join(parts)
        at = end + 2 + size
        parts.append(data[end + 2 : at])
        at += 2


def _read(body: bytes, *, stream: bool) -> str:
    """The text.

    Raises:
        WrongAnswer: no finish reason, no [DONE], or not an answer at all.
    """
    try:
        if not stream:
            choice = _decode(body).choices[0]
            if choice.finish_reason != "stop":
                raise WrongAnswer(f"finish reason {choice.finish_reason}")
            return choice.message.content or ""
        texts: list[str] = []
        reason = None
        lines = [line[5:].strip() for line in body.split(b"\n") if line.startswith(b"data:")]
        for line in lines[:-1]:
            for choice in _decode(line).choices:
                if choice.delta.content:
                    texts.append(choice.delta.content)
                reason = choice.finish_reason or reason
    except (msgspec.DecodeError, IndexError) as problem:
        raise WrongAnswer(f"{problem}: {body[:300]!r}") from problem
    if reason != "stop" or not lines or lines[-1] != b"[DONE]":
        raise WrongAnswer(f"finish reason {reason}, last event {lines[-1:]!r}")
    return "".join(texts)
