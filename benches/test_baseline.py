"""What calling something costs by itself: it is in every figure here, and no figure can be below it."""

from benches.measure import Row, Stopwatch
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
