"""A streamed completion on its way through: its bytes where nothing is masked, its text as the filter says."""

from __future__ import annotations

import contextlib
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from xiaoer import SSEDecoder, WordFilter
from xiaoer_server.llm.events import ChatEvents
from xiaoer_server.llm.receiver import UpstreamError

WORDS = WordFilter(["毒品", "fuck", "abcd"])
DONE = b"data: [DONE]\n\n"


def chunk(delta: dict[str, Any], finish: str | None = None, *, index: int = 0, **more: Any) -> bytes:
    choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
    body = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice], **more}
    return b"data: " + msgspec.json.encode(body) + b"\n\n"


def stream(texts: list[str]) -> bytes:
    events = [chunk({"role": "assistant", "content": ""}), *(chunk({"content": text}) for text in texts)]
    return b"".join([*events, chunk({}, "stop"), DONE])


def through(raw: bytes, cuts: list[int], *, words: WordFilter | None = WORDS, **options: Any) -> bytes:
    events = ChatEvents(words, usage=options.pop("usage", False), **options)
    sent = []
    at = 0
    for cut in [*sorted({cut for cut in cuts if cut < len(raw)}), len(raw)]:
        sent.append(events.feed(raw[at:cut]))
        at = cut
    return b"".join([*sent, events.end()])


def text_of(sent: bytes, kind: str = "content", index: int = 0) -> str:
    said = []
    for event in SSEDecoder().feed(sent):
        if event.data == b"[DONE]":
            continue
        choices = msgspec.json.decode(event.data)["choices"]
        said += [choice["delta"].get(kind) or "" for choice in choices if choice["index"] == index]
    return "".join(said)


TEXTS = st.lists(st.text(alphabet="毒品fuckabcd 1", max_size=4), max_size=12)


@given(TEXTS, st.lists(st.integers(1, 3_000), max_size=30))
@example(["毒", "品"], [])
@example(["ab", "c", "毒品"], [200, 400])
def test_the_text_is_what_the_filter_says(texts: list[str], cuts: list[int]) -> None:
    assert text_of(through(stream(texts), cuts)) == WORDS.replace("".join(texts))


@given(TEXTS, st.lists(st.integers(1, 3_000), max_size=30))
def test_what_holds_no_word_is_the_same_bytes(texts: list[str], cuts: list[int]) -> None:
    raw = stream([text.replace("品", "茶").replace("k", "c").replace("d", "") for text in texts])
    assert through(raw, cuts) == raw
    assert through(raw, cuts, words=None) == raw
    assert through(raw, cuts, every_choice=True) == raw


@given(TEXTS, TEXTS, st.lists(st.integers(1, 4_000), max_size=30))
def test_each_choice_is_filtered_for_itself(first: list[str], second: list[str], cuts: list[int]) -> None:
    events = [chunk({"content": text}) for text in first]
    others = [chunk({"content": text}, index=1) for text in second]
    mixed = [event for pair in zip(events, others, strict=False) for event in pair]
    mixed += events[len(others) :] + others[len(events) :]
    raw = b"".join([*mixed, chunk({}, "stop"), chunk({}, "stop", index=1), DONE])
    sent = through(raw, cuts, every_choice=True)
    assert text_of(sent) == WORDS.replace("".join(first))
    assert text_of(sent, index=1) == WORDS.replace("".join(second))


@given(TEXTS, TEXTS, st.lists(st.integers(1, 4_000), max_size=30))
def test_reasoning_is_filtered_and_comes_first(thoughts: list[str], texts: list[str], cuts: list[int]) -> None:
    events = [chunk({"content": None, "reasoning_content": text}) for text in thoughts]
    events += [chunk({"content": text}) for text in texts]
    sent = through(b"".join([*events, chunk({}, "stop"), DONE]), cuts)
    assert text_of(sent, "reasoning_content") == WORDS.replace("".join(thoughts))
    assert text_of(sent) == WORDS.replace("".join(texts))


def test_a_piece_with_the_finish_reason_is_decided_at_once() -> None:
    raw = chunk({"content": "x 毒"}) + chunk({"content": "品"}, "stop") + DONE
    assert text_of(through(raw, [])) == "x **"


def test_what_is_held_goes_out_before_the_end() -> None:
    raw = stream(["x 毒"])
    assert through(raw, [500]) == raw


def test_probabilities_do_not_tell_a_masked_text() -> None:
    raw = chunk({"content": "毒品"}) + chunk({}, "stop") + DONE
    choice = {"index": 0, "delta": {"content": "毒品"}, "logprobs": {"content": [{"token": "毒品"}]}}
    raw = b"data: " + msgspec.json.encode({"choices": [choice]}) + b"\n\n" + raw
    sent = through(raw, [], every_choice=True)
    assert "毒".encode() not in sent
    assert text_of(sent) == "****"


def usage_chunk() -> bytes:
    return b'data: {"id":"c","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":7}}\n\n'


@pytest.mark.parametrize("wanted", [True, False])
def test_usage_is_read_and_passed_to_who_asked(wanted: bool) -> None:
    raw = chunk({"content": "hi"}) + chunk({}, "stop") + usage_chunk() + DONE
    events = ChatEvents(WORDS, usage=wanted)
    sent = events.feed(raw) + events.end()
    assert events.usage is not None
    assert (events.usage.prompt_tokens, events.usage.completion_tokens) == (3, 7)
    assert (b"prompt_tokens" in sent) is wanted


def test_tool_calls_and_comments_pass_untouched() -> None:
    call = {"tool_calls": [{"index": 0, "id": "t", "function": {"name": "f", "arguments": '{"毒品"'}}]}
    raw = b": ping\n\n" + chunk({"role": "assistant", "content": None}) + chunk(call) + chunk({}, "tool_calls") + DONE
    assert through(raw, []) == raw
    assert through(raw, [7, 50, 300]) == raw


def test_an_end_mark_that_the_upstream_left_out_is_added() -> None:
    raw = chunk({"content": "hi"}, "stop")
    assert through(raw, []) == raw + DONE


@pytest.mark.parametrize("line_end", [b"\r\n", b"\r"])
def test_other_line_ends(line_end: bytes) -> None:
    raw = stream(["x 毒", "品 y"]).replace(b"\n", line_end)
    assert text_of(through(raw, [3, 77, 200])) == "x ** y"


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (chunk({"content": "hi"}), "truncated"),
        (b"", "truncated"),
        (b"data: {oops}\n\n", "malformed"),
        (b'data: {"error":{"message":"no"}}\n\n', "unavailable"),
        (chunk({"content": "hi"}) + b'data: {"error": "no"}\n\n', "unavailable"),
        (b"data: " + b"x" * 2_000_000, "malformed"),
        (b"data: " + b"[" * 100_000 + b"\n\n", "malformed"),
        (b'data: {"choices":[{"delta":{"content":"\xff"}}]}\n\n', "malformed"),
    ],
)
def test_what_is_no_whole_answer_is_an_error(raw: bytes, kind: str) -> None:
    with pytest.raises(UpstreamError) as caught:
        through(raw, [])
    assert caught.value.kind == kind


@given(st.binary(max_size=200), st.lists(st.integers(1, 200), max_size=5))
def test_rubbish_raises_nothing_else(raw: bytes, cuts: list[int]) -> None:
    with contextlib.suppress(UpstreamError):
        through(b"data: " + raw + b"\n\n", cuts)
