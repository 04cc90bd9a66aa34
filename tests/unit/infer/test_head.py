"""The head: what it learns, what its bytes may be, which encoder it goes with."""

from __future__ import annotations

import struct

import msgspec
import numpy as np
import pytest

from xiaoer_server.infer.evaluation import as_svg, as_text, evaluate_scores
from xiaoer_server.infer.head import MAGIC, Head, HeadError
from xiaoer_server.infer.training import TrainingError, auroc, cross_validate, train

INTENTS, EACH, SIZE = 8, 16, 32


def clusters(seed: int, *, count: int = EACH, intents: int = INTENTS + 4) -> tuple[np.ndarray, list[str]]:
    """Points around one direction an intent; the directions are the same for every seed."""
    centres = np.random.default_rng(1).normal(size=(intents, SIZE))
    random = np.random.default_rng(seed)
    made = np.repeat(centres, count, axis=0) + random.normal(scale=0.45, size=(intents * count, SIZE))
    made /= np.linalg.norm(made, axis=1, keepdims=True)
    return made.astype(np.float32), [f"intent{at:02}" for at in range(intents) for _ in range(count)]


@pytest.fixture(scope="module")
def head() -> Head:
    vectors, labels = clusters(2)
    known = INTENTS * EACH
    return train(vectors[:known], labels[:known], encoder="e5@1").head


def test_it_tells_intents_apart_and_what_is_none(head: Head) -> None:
    vectors, labels = clusters(3)
    known = INTENTS * EACH
    scores = head.scores(vectors)
    right = np.mean([found.labels[0][0] == label for found, label in zip(scores[:known], labels, strict=False)])
    assert right > 0.95
    inside = np.array([found.inside for found in scores])
    assert auroc(inside[:known], inside[known:]) > 0.95, "four intents that it was never shown"
    assert (inside[:known] >= 0.5).mean() > 0.85
    assert (inside[known:] < 0.5).mean() > 0.85


def test_probabilities_are_calibrated(head: Head) -> None:
    vectors, labels = clusters(4, count=60)
    scores = head.scores(vectors[: INTENTS * 60])
    claimed = np.mean([found.labels[0][1] for found in scores])
    right = np.mean([found.labels[0][0] == label for found, label in zip(scores, labels, strict=False)])
    assert abs(claimed - right) < 0.06
    for found in scores:
        assert len(found.labels) == 5
        assert [chance for _, chance in found.labels] == sorted((chance for _, chance in found.labels), reverse=True)
        assert 0 <= found.inside <= 1


def test_its_bytes_are_the_head(head: Head) -> None:
    content = head.dump()
    again = Head.load(content, encoder="e5@1")
    assert again.dump() == content
    vectors, _ = clusters(5)
    for one, other in zip(again.scores(vectors), head.scores(vectors), strict=True):
        assert one.labels[0][0] == other.labels[0][0]
        assert one.labels[0][1] == pytest.approx(other.labels[0][1], abs=0.05), "examples are rounded to int8"
        assert one.inside == pytest.approx(other.inside, abs=0.05)


def test_training_twice_gives_the_same_bytes(head: Head) -> None:
    vectors, labels = clusters(2)
    known = INTENTS * EACH
    assert train(vectors[:known], labels[:known], encoder="e5@1").head.dump() == head.dump()


def test_the_head_of_another_encoder_is_refused(head: Head) -> None:
    with pytest.raises(HeadError, match=r"belongs to the encoder e5@1, and this is e5@2; train again"):
        Head.load(head.dump(), encoder="e5@2")


def changed(content: bytes, **header: object) -> bytes:
    start = len(MAGIC) + 4
    (length,) = struct.unpack_from("<I", content, len(MAGIC))
    fields = msgspec.json.decode(content[start : start + length]) | header
    made = msgspec.json.encode(fields)
    return MAGIC + struct.pack("<I", len(made)) + made + content[start + length :]


def with_number(content: bytes, number: float) -> bytes:
    """The first number of the first array is another one."""
    at = len(MAGIC) + 4 + struct.unpack_from("<I", content, len(MAGIC))[0]
    return content[:at] + struct.pack("<f", number) + content[at + 4 :]


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda content: b"", "no head"),
        (lambda content: content[:11], "no head"),
        (lambda content: b"\x80\x04" + content[2:], "no head"),
        (lambda content: content[:-1], "promises another number"),
        (lambda content: content + b"\0\0\0\0", "promises another number"),
        (lambda content: content[: len(content) // 2], "promises another number"),
        (lambda content: MAGIC + b"\xff\xff\xff\xff" + content[12:], "header is damaged"),
        (lambda content: with_number(content, float("nan")), "not finite"),
        (lambda content: with_number(content, float("-inf")), "not finite"),
        (lambda content: changed(content, dimensions=10**9), "header is damaged"),
        (lambda content: changed(content, dimensions=4096), "promises another number"),
        (lambda content: changed(content, labels=["a"] * INTENTS), "a label twice"),
        (lambda content: changed(content, labels=["a"]), "header is damaged"),
        (lambda content: changed(content, counts=[1, 1]), "counts do not go"),
        (lambda content: changed(content, counts=[9_000] * INTENTS), "counts do not go"),
        (lambda content: changed(content, counts=[1] * INTENTS), "promises another number"),
        (lambda content: changed(content, counts=[0] * INTENTS), "header is damaged"),
        (lambda content: changed(content, temperature=0), "header is damaged"),
        (lambda content: changed(content, more=1), "header is damaged"),
    ],
)
def test_damaged_bytes_are_refused(head: Head, damage: object, says: str) -> None:
    with pytest.raises(HeadError, match=says):
        Head.load(damage(head.dump()))  # type: ignore[operator]


def test_vectors_that_do_not_fit_are_refused(head: Head) -> None:
    with pytest.raises(HeadError, match=r"shape \(1, 31\)"):
        head.scores(np.ones((1, SIZE - 1), np.float32))
    with pytest.raises(HeadError, match="not finite"):
        head.scores(np.full((1, SIZE), np.nan, np.float32))


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (["a"] * 8, "there are 1 intents; at least 2"),
        (["a"] * 5 + ["b"] * 3, r"too few have: b \(3\)"),
        (["a"] * 4 + ["b"] * 5, "for 9 examples"),
    ],
)
def test_too_little_to_train_on(labels: list[str], says: str) -> None:
    with pytest.raises(TrainingError, match=says):
        train(clusters(1)[0][:8], labels, encoder="e")


def test_two_intents_are_enough() -> None:
    vectors, labels = clusters(6)
    head = train(vectors[: 2 * EACH], labels[: 2 * EACH], encoder="e").head
    found = Head.load(head.dump()).scores(clusters(7)[0][: 2 * EACH])
    assert np.mean([one.labels[0][0] == label for one, label in zip(found, labels, strict=False)]) > 0.95


def test_the_report_counts_right() -> None:
    raw = np.array([[3.0, 1, 0], [0, 2, 1], [2, 1, 0], [0, 0, 1.0], [0, 9, 0]])
    labels = ["a", "b", "b", "c", "oos"]
    report = evaluate_scores("by hand", ["a", "b", "c"], raw, labels, np.array([0.9, 0.4, 0.8, 0.7, 0.1]))
    assert report["accuracy"] == 0.75
    rows = {row["intent"]: (row["precision"], row["recall"]) for row in report["intents"]}
    assert rows == {"a": (0.5, 1.0), "b": (1.0, 0.5), "c": (1.0, 1.0)}
    assert report["confusions"] == [{"intent": "b", "taken_for": "a", "times": 1}]
    assert (report["accepted"], report["accepted_and_right"]) == (0.75, 0.5)
    assert (report["outside"], report["rejected"], report["auroc"]) == (1, 1.0, 1.0)
    assert "| b | a | 1 |" in as_text(report)
    plot = as_svg(report | {"how": "<b>&"})
    assert "&lt;b&gt;&amp;" in plot
    assert plot.count("<title>") == 4


def test_cross_validation_is_on_unseen_examples() -> None:
    vectors, labels = clusters(8)
    numbers = np.unique(labels, return_inverse=True)[1]
    assert (cross_validate(vectors, numbers).argmax(axis=1) == numbers).mean() > 0.95
    noise = np.random.default_rng(9).permutation(numbers)
    assert (cross_validate(vectors, noise).argmax(axis=1) == noise).mean() < 0.3
