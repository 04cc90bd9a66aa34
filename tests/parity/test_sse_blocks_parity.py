"""The SSE codec on bytes whose line ends, quotes and escapes stand at the borders of the blocks vector code reads."""

from itertools import pairwise
from random import Random
from types import ModuleType
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from support.block_texts import BORDERS, RANDOMS, text_with_marks

LINE_MARKS = [
    "\n",
    "\r",
    "\r\n",
    "\n\n",
    "\r\n\r\n",
    "data: ",
    "data:",
    "event: e",
    "id: 7",
    "retry: 5",
    ":",
    "\0",
    "\ufeff",
]
JSON_MARKS = [
    '\\"',
    "\\\\",
    "\\n",
    "\\u597d",
    "\\ud83d\\ude00",
    "\\ud83d",
    "\\x",
    '"',
    "\x1f",
    "\x7f",
    "é",
    "好",
    "😀",
    "}",
    ",",
]


def read(library: ModuleType, chunks: list[bytes]) -> list[Any]:
    decoder = library.SSEDecoder()
    events = [(event.data, event.event, event.id, event.retry) for chunk in chunks for event in decoder.feed(chunk)]
    return [events, decoder.last_event_id, decoder.retry]


@given(RANDOMS.map(lambda random: "data: " + text_with_marks(random, LINE_MARKS) + "\n\n"), st.sampled_from(BORDERS))
def test_lines_at_the_borders_of_blocks(
    native_xiaoer: ModuleType, pure_xiaoer: ModuleType, text: str, step: int
) -> None:
    stream = text.encode()
    chunks = [stream[start:end] for start, end in pairwise([*range(0, len(stream), step), len(stream)])]
    assert read(native_xiaoer, chunks) == read(pure_xiaoer, chunks) == read(native_xiaoer, [stream])


def make_delta(random: Random) -> bytes:
    content = text_with_marks(random, JSON_MARKS if random.random() < 0.5 else JSON_MARKS[:5] + JSON_MARKS[-5:])
    ahead = random.choice(
        ["", '"id":"c-1",', '"x":"' + "y" * random.choice(BORDERS) + '",', '"x":[1,{"content":"z"}],']
    )
    return f'{{{ahead}"choices":[{{"index":0,"delta":{{"content":"{content}"}}}}]}}'.encode()


def outcome(library: ModuleType, data: bytes) -> Any:
    try:
        return library.chat_delta(data)
    except library.InvalidDelta as error:
        return str(error)


@given(RANDOMS.map(make_delta))
def test_deltas_at_the_borders_of_blocks(native_xiaoer: ModuleType, pure_xiaoer: ModuleType, data: bytes) -> None:
    assert outcome(native_xiaoer, data) == outcome(pure_xiaoer, data)
