"""Input that is longer than the model's window: refused, cut and said so, or read in parts. Never cut in silence.

One text is shortened, the longest of the user's: a message, or a text part of one. If the rest alone is too long,
all policies refuse. Tokens are counted as `xiaoer.count_tokens` does, which is exact for OpenAI's models and near for
others; images and what else is no text are not counted, the provider knows what they cost. With tools there is only
refusing: what a tool call needs word by word would not survive notes.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal, NoReturn

from xiaoer import Chunker, count_tokens

from ..errors import BadRequest
from .long_messages import Place, Shortened, changed, role_of, texts_of
from .long_prompts import (
    Language,
    cut_note,
    cut_notice,
    map_prompt,
    parts_notice,
    quoted,
    reduce_text,
)
from .provider import ChatMessage, ModelError

Policy = Literal["reject", "first", "map_reduce"]
Ask = Callable[[list[ChatMessage]], Awaitable[str]]
Progress = Callable[[int, int], None]

#: Tokens around each message and before the answer, generously: OpenAI's models have 3 and 3.
MESSAGE_TOKENS = 5
#: Marks and number around the notes on a part.
FRAME = 30
#: Against differences where texts are joined.
MARGIN = 16
#: Fewer tokens of a text than this are not worth an answer.
LEAST = 64
#: Most calls that one request may become, not counting those that shorten the notes.
MAX_PARTS = 64
#: How often notes may be shortened again.
ROUNDS = 3
#: From this many characters on, counting and cutting are a thread's work; the kernels release the GIL there.
LARGE = 65_536


class LongInput:
    """What happens to long input to one model.

    Args:
        window: Tokens that the model reads and writes together; 0 is unknown, and then nothing is checked.
        answer: Tokens kept free for the answer where the request does not say how long it may be, and for notes: `ask`
            should ask for no more. At most a quarter of the window.
        parallel: Parts that are read at the same time, for one request.
    """

    def __init__(
        self, policy: Policy, window: int, *, answer: int = 1_024, parallel: int = 8, encoding: str = "o200k_base"
    ) -> None:
        self.policy = policy
        self.window = window
        self.answer = min(answer, window // 4)
        self._parallel = parallel
        self._encoding = encoding

    def fits(self, size: int, answer: int | None = None) -> bool:
        """The cheap test: whether a request of `size` bytes surely fits, for no token is shorter than a byte."""
        return not self.window or size + MESSAGE_TOKENS + (answer or self.answer) <= self.window

    async def prepare(
        self,
        messages: Sequence[Any],
        ask: Ask,
        *,
        language: Language,
        answer: int | None = None,
        tools: Any = None,
        on_progress: Progress | None = None,
    ) -> Shortened:
        """Make the messages fit.

        Args:
            messages: `ChatMessage`s, or messages of a checked request with text or parts.
            ask: Asks the model for notes on a part; the whole text of its answer.
            answer: Tokens that the answer may have, if the request says so.
            tools: The request's tools and functions, or None.
            on_progress: Called with how many parts are read and how many there are, from (0, n) to (n, n).

        Raises:
            BadRequest: context_length_exceeded.
            ModelError, ServerError: `ask`'s, from the first part that fails; the others are cancelled.
        """
        answer = answer or self.answer
        extra = json.dumps(tools, ensure_ascii=False) if tools else ""
        texts = [list(texts_of(message)) for message in messages]
        size = len(extra) + sum(len(text) for found in texts for _, text in found)
        if self.fits(4 * size + MESSAGE_TOKENS * len(messages), answer):
            return Shortened(list(messages))
        total, place = await _worked(size, self._measure, messages, texts, extra)
        if total + answer <= self.window:
            return Shortened(list(messages))
        if place is None or self.policy == "reject" or extra:
            self._refuse(total, answer)
        room = self.window - answer - (total - place.tokens) - MARGIN
        if self.policy == "first":
            made: Shortened = await _worked(size, self._first, messages, place, room, language, total, answer)
            return made
        return await self._parts(messages, texts, place, room, ask, language, total, answer, on_progress)

    def count(self, text: str) -> int:
        """Tokens of a text."""
        return count_tokens(text, self._encoding)

    def _measure(
        self, messages: Sequence[Any], texts: list[list[tuple[int, str]]], extra: str
    ) -> tuple[int, Place | None]:
        total = MESSAGE_TOKENS + (self.count(extra) if extra else 0)
        longest: Place | None = None
        for index, (message, found) in enumerate(zip(messages, texts, strict=True)):
            total += MESSAGE_TOKENS
            for part, text in found:
                tokens = self.count(text)
                total += tokens
                if role_of(message) == "user" and (longest is None or tokens > longest.tokens):
                    longest = Place(index, part, text, tokens)
        return total, longest

    def _first(
        self, messages: Sequence[Any], place: Place, room: int, language: Language, total: int, answer: int
    ) -> Shortened:
        room -= self.count(cut_note(language, 99))
        if room < LEAST:
            self._refuse(total, answer)
        _, end = Chunker(room, unit="tokens", encoding=self._encoding).spans(place.text)[0]
        percent = max(1, min(99, 100 * end // len(place.text)))
        kept = place.text[:end]
        header = f"first; kept={self.count(kept)}; of={place.tokens}"
        messages = changed(messages, place, kept + cut_note(language, percent))
        return Shortened(messages, place.message, cut_notice(language, percent), header)

    async def _parts(
        self,
        messages: Sequence[Any],
        texts: list[list[tuple[int, str]]],
        place: Place,
        room: int,
        ask: Ask,
        language: Language,
        total: int,
        answer: int,
        on_progress: Progress | None,
    ) -> Shortened:
        mark = f"==={secrets.token_hex(4)}==="
        task = self._task(messages, texts, place)
        asked = self.count(map_prompt(language, mark, MAX_PARTS, MAX_PARTS, 99_999, task) + quoted(mark, ""))
        limit = self.window - self.answer - asked - 3 * MESSAGE_TOKENS - MARGIN
        if room < LEAST or limit < LEAST:
            self._refuse(total, answer)
        notes, parts = [place.text], 0
        for _ in range(ROUNDS):
            chunker = Chunker(limit, unit="tokens", encoding=self._encoding)
            pieces = await _worked(len(place.text), chunker.split, "\n\n".join(notes))
            if len(pieces) > MAX_PARTS:
                self._refuse(total, answer)
            parts = parts or len(pieces)
            # A word or a Chinese character is about a token; with the notes' own frame it is to fit at once.
            words = max(20, min(self.answer, room // len(pieces) - FRAME) * 2 // 3)
            prompts = [
                [
                    ChatMessage("system", map_prompt(language, mark, number, len(pieces), words, task)),
                    ChatMessage("user", quoted(mark, piece)),
                ]
                for number, piece in enumerate(pieces, 1)
            ]
            notes = await _each(prompts, ask, self._parallel, on_progress)
            text = reduce_text(language, mark, notes)
            if self.count(text) <= room:
                header = f"map_reduce; parts={parts}; of={place.tokens}"
                messages = changed(messages, place, text)
                return Shortened(messages, place.message, parts_notice(language, parts), header)
        raise ModelError("too_long", f"the notes on {parts} parts did not become short enough")

    def _task(self, messages: Sequence[Any], texts: list[list[tuple[int, str]]], place: Place) -> str:
        """The user's last other text, which may hold the question; left out if long, for then it is no question."""
        for index in range(len(messages) - 1, -1, -1):
            if role_of(messages[index]) != "user":
                continue
            for part, text in reversed(texts[index]):
                if (index, part) != (place.message, place.part):
                    return text if self.count(text) <= self.window // 8 else ""
        return ""

    def _refuse(self, total: int, answer: int) -> NoReturn:
        raise BadRequest(
            f"The messages have {total} tokens and the answer may have {answer}; "
            f"this model's context length is {self.window} tokens for both.",
            code="context_length_exceeded",
            param="messages",
        )


async def _each(prompts: list[list[ChatMessage]], ask: Ask, parallel: int, on_progress: Progress | None) -> list[str]:
    """The answers in order. The first failure ends all."""
    notes = [""] * len(prompts)
    left = iter(range(len(prompts)))
    done = 0

    async def work() -> None:
        nonlocal done
        for number in left:
            note = (await ask(prompts[number])).strip()
            if not note:
                raise ModelError("malformed", f"no notes on part {number + 1} of {len(prompts)}")
            notes[number] = note
            done += 1
            if on_progress is not None:
                on_progress(done, len(prompts))

    if on_progress is not None:
        on_progress(0, len(prompts))
    tasks = [asyncio.ensure_future(work()) for _ in range(min(parallel, len(prompts)))]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return notes


async def _worked(size: int, work: Callable[..., Any], *arguments: Any) -> Any:
    return await asyncio.to_thread(work, *arguments) if size >= LARGE else work(*arguments)
