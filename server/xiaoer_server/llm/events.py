"""A streamed chat completion on its way through: watched, counted, and its text held to the word filter.

What needs no change is passed on as the bytes that came. A text is fed to the stream filter as a whole block's worth
at once; where the filter gives back what it was given, the block goes out untouched. Where it holds something back
or masks it, the events concerned wait until their text is decided, and only a masked one is built anew. A mask has
as many characters as what it covers, so each event keeps its place and its length.
"""

from __future__ import annotations

import re
from collections import deque
from typing import Any

import msgspec

from xiaoer import FilterStream, SSEDecoder, SSEEvent, WordFilter, chat_delta, encode_sse
from xiaoer.errors import InvalidDelta, XiaoerError

from .receiver import UpstreamError

#: An event may not be larger, in bytes: what has no end is no event.
MOST_EVENT_BYTES = 1_048_576

#: A finish reason that is set. Inside a JSON string the quotes would be escaped, so text can't imitate it.
_FINISHED = (b'"finish_reason":"', b'"finish_reason": "')
_NULL = (b'"finish_reason":null', b'"finish_reason": null')

#: So many events at a block's end are found by searching backwards for their beginning.
FEW = 4

#: The pieces of a delta that people read, each of which is filtered for itself.
TEXTS = ("reasoning_content", "reasoning", "refusal", "content")

_END_OF_EVENT = re.compile(rb"\n\n|\r\n\r\n|\r\r")

DONE = b"data: [DONE]\n\n"
_DONE = b"[DONE]"


class Usage(msgspec.Struct):
    """Tokens, as the upstream counts them."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Choice(msgspec.Struct):
    index: int = 0
    delta: dict[str, Any] | None = None
    finish_reason: str | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] = msgspec.field(default_factory=list)
    usage: Usage | None = None
    error: Any = None


_decode = msgspec.json.Decoder(_Chunk).decode
_Key = tuple[int, str]
_CONTENT: _Key = (0, "content")


class _Held:
    """An event that goes out once all of its text is decided; `texts` are its pieces and what became of them."""

    __slots__ = ("frame", "masked", "texts", "waiting")

    def __init__(self, frame: bytes, texts: dict[_Key, str]) -> None:
        self.frame = frame
        self.texts = texts
        self.waiting = len(texts)
        self.masked: dict[_Key, str] = {}


class _Channel:
    """The text of one choice, or its reasoning, with the events whose text the filter still holds."""

    __slots__ = ("events", "passed", "stream")

    def __init__(self, stream: FilterStream) -> None:
        self.stream = stream
        self.events: deque[_Held] = deque()
        self.passed = ""

    def settle(self, key: _Key, passed: str) -> None:
        """Give what the filter let out to the events in order."""
        left = self.passed + passed
        while self.events:
            event = self.events[0]
            text = event.texts[key]
            if len(left) < len(text):
                break
            piece, left = left[: len(text)], left[len(text) :]
            if piece != text:
                event.masked[key] = piece
            event.waiting -= 1
            self.events.popleft()
        self.passed = left


class ChatEvents:
    """Takes the blocks of an upstream's event stream, gives the bytes for the caller.

    Args:
        words: The filter, or None to let all text pass.
        usage: Whether the caller asked for the chunk with the usage, which we ask for in any case.
        every_choice: Look into each event, because there may be more than one choice or token probabilities.
        choices: How many the caller asked for; the answer is whole when each of them has its finish reason.
    """

    __slots__ = (
        *("_begun", "_channels", "_prelude", "_said", "_every_choice", "_feed", "_held", "_main", "_tail"),
        *("_choices", "_finished", "_open", "_unfinished", "_usage_wanted", "_words"),
        *("chunks", "done", "finish_reason", "usage"),
    )

    def __init__(self, words: WordFilter | None, *, usage: bool, every_choice: bool = False, choices: int = 1) -> None:
        self._words = words
        self._usage_wanted = usage
        self._every_choice = every_choice
        self._feed = SSEDecoder().feed
        self._main: FilterStream | None = words.stream() if words is not None else None
        self._channels: dict[_Key, _Channel] = {}
        self._held: deque[_Held] = deque()
        self._tail = b""
        self._prelude = b""
        self._begun = self._said = False
        self._unfinished = _NULL[0] + b"}]}"
        self._choices = choices
        self._open: set[int] = set()  # choices that have begun and not finished
        self._finished: set[int] = set()
        self.chunks = 0
        self.done = False
        self.finish_reason: str | None = None
        self.usage: Usage | None = None

    @property
    def whole(self) -> bool:
        """Whether a finish reason has come, of each choice."""
        return self.finish_reason is not None and len(self._finished) >= self._choices

    def feed(self, block: bytes) -> bytes:
        """Take the next bytes; returns what may go out now.

        Raises:
            UpstreamError: malformed, or unavailable where the upstream says so inside its stream.
        """
        if self._tail:
            block, self._tail = self._tail + block, b""
        if not block.endswith(b"\n\n"):
            block = self._cut(block)
            if not block:
                return b""
        sent = self._take(block)
        if self._said:
            return sent
        # An answer has begun when it says something; until then another provider may still give it.
        self._prelude += sent
        if not self._begun:
            if len(self._prelude) > MOST_EVENT_BYTES:
                raise UpstreamError("malformed", "the upstream says nothing at length", answered=True)
            return b""
        self._said = True
        sent, self._prelude = self._prelude, b""
        return sent

    def _take(self, block: bytes) -> bytes:
        try:
            if self._every_choice:
                return self._each(block)
            events = self._feed(block)
            texts: list[str] = []
            for event in events:
                data = event.data
                text = text_of(data)
                if text is None or not (data.endswith(self._unfinished) or self._goes_on(data)):
                    return self._mixed(block, events, texts)
                texts.append(text)
            return self._plain(block, texts) if texts else self._each(block)
        except (XiaoerError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise UpstreamError("malformed", "the upstream sent an unreadable event", answered=True) from error

    def end(self) -> bytes:
        """The upstream has ended; returns what is left to send, with the end mark where the upstream left it out.

        Raises:
            UpstreamError: truncated, where no finish reason came.
        """
        if not self.whole:
            raise UpstreamError("truncated", "the upstream ended without a finish reason", answered=True)
        return self._prelude + self._flush() + (b"" if self.done else DONE)

    # -- many events at once ----------------------------------------------------------------------------------

    def _plain(self, block: bytes, texts: list[str]) -> bytes:
        """A block of events that are pieces of the first choice's text, which are `texts`."""
        self.chunks += len(texts)
        text = "".join(texts) if len(texts) > 1 else texts[0]
        if text:
            self._begun = True
            if self._main is None:
                return block
            passed = self._main.feed(text)
            if passed == text and not self._held:
                return block
        elif not self._held:
            return block
        else:
            passed = ""
        return self._align(block, texts, text, passed)

    def _align(self, block: bytes, texts: list[str], text: str, passed: str) -> bytes:
        """The filter changed the block's text or holds some of it: find the events that this concerns."""
        if len(texts) == 1 and block.find(b"\n\n") == len(block) - 2:
            # A token at a time, which is how most streams come.
            if len(self._channels) > 1:
                self._finish_other(0, "content")
            self._hold(block, {_CONTENT: text} if text else {})
            self._channel(_CONTENT).settle(_CONTENT, passed)
            return self._release()
        first = 0
        if not self._held and text.startswith(passed):
            # Only the end is held, so only the last events wait.
            first, left = len(texts), len(text) - len(passed)
            while left > 0:
                first -= 1
                left -= len(texts[first])
        at = _start_of_last(block, len(texts) - first) if first else 0
        frames = _frames(block[at:])
        if len(frames) != len(texts) - first:
            first = at = 0
            frames = _frames(block)
        if len(self._channels) > 1:
            self._finish_other(0, "content")
        if len(frames) == len(texts) - first:
            for frame, piece in zip(frames, texts[first:], strict=True):
                self._hold(frame, {_CONTENT: piece} if piece else {})
        else:
            for frame in frames:  # with comments
                found = [text_of(event.data) for event in SSEDecoder().feed(frame)]
                self._hold(frame, {_CONTENT: found[0]} if found and found[0] else {})
        self._channel(_CONTENT).settle(_CONTENT, passed[sum(map(len, texts[:first])) :])
        return block[:at] + self._release() if at else self._release()

    def _mixed(self, block: bytes, events: list[SSEEvent], texts: list[str]) -> bytes:
        """A block that begins with as many of those as there are `texts`; then come others."""
        rest = len(events) - len(texts)
        if rest <= FEW:
            at = _start_of_last(block, rest)
            found = SSEDecoder().feed(block[at:])
            if len(found) == rest and found[0].data == events[len(texts)].data:
                if texts:
                    return self._plain(block[:at], texts) + self._each(block[at:])
                return self._each(block)
        frames = _frames(block)
        if len(frames) != len(events):
            return self._each(block)  # comments
        sent: list[bytes] = []
        run: list[bytes] = []
        texts = []
        for frame, event in zip(frames, events, strict=True):
            data = event.data
            text = text_of(data)
            if text is not None and self._goes_on(data):
                run.append(frame)
                texts.append(text)
                continue
            if run:
                sent.append(self._plain(b"".join(run), texts))
                run, texts = [], []
            sent.append(self._event(frame, data))
        if run:
            sent.append(self._plain(b"".join(run), texts))
        return b"".join(sent)

    def _goes_on(self, data: bytes) -> bool:
        """Whether a chunk with text sets no finish reason. Its end is remembered: looking for it costs 0.5 µs."""
        if _FINISHED[0] in data or _FINISHED[1] in data:
            return False
        at = max(data.rfind(_NULL[0]), data.rfind(_NULL[1]))
        if at >= 0:
            self._unfinished = data[at:]
        return True

    # -- one event at a time ----------------------------------------------------------------------------------

    def _each(self, block: bytes) -> bytes:
        sent = []
        for frame in _frames(block):
            for event in SSEDecoder().feed(frame):
                sent.append(self._event(frame, event.data))
                break
            else:
                self._hold(frame, {})  # a comment
        sent.append(self._release())
        return b"".join(sent)

    def _event(self, frame: bytes, data: bytes) -> bytes:
        if data == _DONE:
            # Nobody reads on behind it, so nothing may be wrong any more when it goes out.
            if self.finish_reason is None or self._open:
                raise UpstreamError("truncated", "the upstream ended without a finish reason", answered=True)
            self._choices = 1  # some servers give one choice whatever they are asked
            self.done = True
            return self._flush() + frame
        chunk = _decode(data)
        if chunk.error is not None:
            raise UpstreamError("unavailable", "the upstream reported an error inside its stream", answered=True)
        if chunk.usage is not None:
            self.usage = chunk.usage
            if not chunk.choices and not self._usage_wanted:
                return b""
        self.chunks += 1
        self._begun = self._begun or any(choice.finish_reason or _says(choice.delta) for choice in chunk.choices)
        texts: dict[_Key, str] = {}
        for choice in chunk.choices:
            if choice.finish_reason:
                self.finish_reason = choice.finish_reason
                self._finished.add(choice.index)
                self._open.discard(choice.index)
            elif self._every_choice:
                self._open.add(choice.index)
            if self._words is not None and choice.delta:
                for kind in TEXTS:
                    text = choice.delta.get(kind)
                    if isinstance(text, str) and text:
                        texts[choice.index, kind] = text
        self._hold(frame, texts)
        for (index, kind), text in texts.items():
            channel = self._channel((index, kind))
            channel.settle((index, kind), channel.stream.feed(text))
            self._finish_other(index, kind)
        for choice in chunk.choices:
            if choice.finish_reason:
                # Behind this nothing of the choice comes, and its own piece is fed: what is held is decided.
                self._finish_other(choice.index, "")
        return self._release()

    def _channel(self, key: _Key) -> _Channel:
        channel = self._channels.get(key)
        if channel is None:
            assert self._words is not None
            stream = self._main if key == _CONTENT else self._words.stream()
            assert stream is not None
            channel = self._channels[key] = _Channel(stream)
        return channel

    def _finish_other(self, index: int, kind: str) -> None:
        """A choice went on to another kind of text: what its others hold is decided by what there is."""
        if index == 0 and kind != "content" and self._main is not None:
            self._channel(_CONTENT)
        for key, channel in self._channels.items():
            if key[0] == index and key[1] != kind:
                channel.settle(key, channel.stream.flush())

    def _hold(self, frame: bytes, texts: dict[_Key, str]) -> None:
        held = _Held(frame, texts)
        self._held.append(held)
        for key in texts:
            self._channel(key).events.append(held)

    def _release(self) -> bytes:
        held = self._held
        sent = []
        while held and not held[0].waiting:
            event = held.popleft()
            sent.append(_rebuilt(event) if event.masked else event.frame)
        return b"".join(sent)

    def _flush(self) -> bytes:
        for key, channel in self._channels.items():
            channel.settle(key, channel.stream.flush())
        return self._release()

    def _cut(self, block: bytes) -> bytes:
        """The whole events of a block; the rest waits for more."""
        end = max(block.rfind(b"\n\n") + 2, block.rfind(b"\r\n\r\n") + 4, block.rfind(b"\r\r") + 2)
        if end < 4 and not block.startswith((b"\n\n", b"\r\r")):
            end = 0
        self._tail = block[end:]
        if len(self._tail) > MOST_EVENT_BYTES:
            raise UpstreamError("malformed", "the upstream sent an event without an end", answered=True)
        return block[:end]


def _says(delta: dict[str, Any] | None) -> bool:
    """Whether a delta is more than the role that an answer begins with."""
    return delta is not None and any(value for key, value in delta.items() if key != "role")


def text_of(data: bytes) -> str | None:
    """The first choice's text; None where the event is something else, such as the end mark or an error."""
    try:
        return chat_delta(data)
    except InvalidDelta:
        return None


def _start_of_last(block: bytes, count: int) -> int:
    """Where the last `count` events begin, unless there are comments between them."""
    at = len(block)
    for _ in range(count):
        at = block.rfind(b"\n\n", 0, max(at - 2, 0)) + 2
        if at == 1:  # not found
            return 0
    return at


def _frames(block: bytes) -> list[bytes]:
    """The events of a block, each with the empty line that ends it."""
    if b"\r" not in block:
        parts = block.split(b"\n\n")
        last = parts.pop()
        frames = [part + b"\n\n" for part in parts if part]
        return [*frames, last] if last else frames
    frames = []
    start = 0
    for end in _END_OF_EVENT.finditer(block):
        frames.append(block[start : end.end()])
        start = end.end()
    if start < len(block):
        frames.append(block[start:])
    return frames


def _rebuilt(event: _Held) -> bytes:
    """The event with its text masked. Token probabilities would tell the text again, so they go."""
    [found] = SSEDecoder().feed(event.frame)
    chunk = msgspec.json.decode(found.data)
    for choice in chunk["choices"]:
        choice.pop("logprobs", None)
        for kind in TEXTS:
            piece = event.masked.get((choice.get("index", 0), kind))
            if piece is not None:
                choice["delta"][kind] = piece
    return encode_sse(msgspec.json.encode(chunk), found.event, found.id)
