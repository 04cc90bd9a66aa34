"""What calling something costs by itself: it is in every figure here, and no figure can be below it."""

from benches.measure import Row, Stopwatch
from benches.peers.queue import deques_in_line
from benches.test_queue import CALLS, FILLED
from benches.texts import clean_texts, fresh


def _nothing(text: str) -> None:
    pass


def test_empty_call_of_c(stopwatch: Stopwatch) -> None:
    texts = clean_texts("chinese", 20, 100, 1_000)
    assert not any(map(str.isspace, texts))
    stopwatch.calls(Row("baseline", "an empty call", "C: str.isspace"), str.isspace, texts, fresh)


def test_empty_call_of_python(stopwatch: Stopwatch) -> None:
    texts = clean_texts("chinese", 20, 100, 1_000)
    stopwatch.calls(Row("baseline", "an empty call", "a Python function"), _nothing, texts, fresh)


def test_deques_in_line(stopwatch: Stopwatch) -> None:
    items: list[object] = [object() for _ in range(CALLS)]
    row = Row("queue", FILLED, "two deques, in line", comparable=False)
    stopwatch.rounds(row, deques_in_line, lambda: (items,), CALLS)
