"""Measuring the cache: the labelled files, the counting, the plot."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from support.meaning import vector_of
from xiaoer_server import cli_cache
from xiaoer_server.brain.cached import Vectors
from xiaoer_server.cache_eval.labelled import LabelledPair, PairsFileError, read
from xiaoer_server.cache_eval.local import LocalMeaning
from xiaoer_server.cache_eval.measure import Report, measure
from xiaoer_server.cache_eval.plot import draw
from xiaoer_server.cache_eval.rates import clusters, rates

PAIRS = [
    LabelledPair("你们的茶叶怎么退货", "你们茶叶怎么退货", True),
    LabelledPair("你们的茶叶怎么保存", "你们茶叶怎么保存", True),
    LabelledPair("你们的茶叶怎么冲泡", "你们的茶叶怎么冲泡？", True),
    LabelledPair("你们的会员怎么开通", "你们的会员怎么关闭", False),
    LabelledPair("你们的红包怎么领取", "你们红包怎么领取的", False),
    LabelledPair("那个呢", "那个怎么样", False),
]


class Encoder:
    version = "test@1"

    def embed(self, texts: Sequence[str], kind: str) -> Vectors:
        assert kind == "query"
        return np.stack([vector_of(text) for text in texts])


class Verifier:
    """Sure of everything, a little less of 红包."""

    def verify(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        return [0.96 if "红包" in one else 0.995 for one, _ in pairs]

    def threshold_for(self, wrong_hit_target: float) -> float:
        return 1 - wrong_hit_target


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without GPTCache, which leaves its database open."""
    monkeypatch.setattr("xiaoer_server.cache_eval.measure.Peer.open", lambda *_: "GPTCache was not measured: a test")


async def run(verifier: Verifier | None = None) -> Report:
    return await measure(PAIRS, LocalMeaning(Encoder(), verifier), progress=lambda text: None)


@pytest.mark.usefixtures("alone")
async def test_the_counts_are_right() -> None:
    report = await run(Verifier())
    assert (report.pairs, report.same, report.not_general, report.threshold) == (6, 3, 1, 0.995)
    [by_pairs, by_store] = report.chosen
    assert (by_pairs.hits, by_pairs.wrong_hits, by_pairs.recall) == (3, 0, 1.0)
    assert (by_store.hits, by_store.wrong_hits, by_store.recall) == (3, 0, 1.0)
    ours = {each.threshold: each for each in report.by_pairs if each.method == "ours"}
    assert (ours[0.9].hits, ours[0.9].wrong_hits) == (4, 1)
    assert (ours[0.98].hits, ours[0.98].wrong_hits) == (3, 0)
    cosine = {each.threshold: each for each in report.by_pairs if each.method == "cosine alone"}
    assert cosine[0.8].wrong_hits >= 2
    assert report.objected == {"action": [1, 0]}
    assert {"ours, exact hit p50", "ours, hit by meaning p99"} <= set(report.latency)
    json.dumps(report.as_dict())


@pytest.mark.usefixtures("alone")
async def test_without_a_verifier_nothing_is_a_hit_by_meaning() -> None:
    report = await run()
    assert not any(each.method == "ours" for each in report.by_pairs)
    assert [each.hits for each in report.chosen] == [0, 1]  # the one in the same words


@pytest.mark.filterwarnings("ignore")
async def test_gptcache_is_measured_or_it_is_said_why_not() -> None:
    report = await run()
    measured = {each.threshold: each for each in report.by_store if each.method.startswith("GPTCache")}
    if not measured:
        assert report.peer.startswith("GPTCache was not measured: ")
        return
    # At its default it takes one action for another, as any cosine does.
    assert measured[0.8].hits >= 4
    assert measured[0.8].wrong_hits >= 1


@pytest.mark.usefixtures("alone")
async def test_the_plot_is_an_svg_of_all_methods() -> None:
    report = await run(Verifier())
    drawn = draw({"a <b>": report})
    tree = ElementTree.fromstring(drawn)
    texts = {node.text for node in tree.iter("{http://www.w3.org/2000/svg}text")}
    assert {"a <b>: pairs", "a <b>: store", "ours", "cosine alone"} <= texts
    assert len(list(tree.iter("{http://www.w3.org/2000/svg}polyline"))) >= 4


@pytest.mark.usefixtures("alone")
def test_the_report_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    import asyncio

    cli_cache.print_report(asyncio.run(run(Verifier())))
    printed = capsys.readouterr().out
    assert "wrong" in printed.lower()
    assert "ours, pairs" in printed


def test_rates_and_clusters() -> None:
    found = rates("m", 0.5, np.array([True, True, False]), np.array([True, False, True]), 2)
    assert (found.hit_rate, found.recall, found.wrong) == (2 / 3, 0.5, 0.5)
    assert rates("m", 0.5, np.zeros(2, bool), np.zeros(2, bool), 0).wrong is None
    number = clusters([LabelledPair("a", "b", True), LabelledPair("c", "b", True), LabelledPair("a", "d", False)])
    assert number["a"] == number["c"] != number["d"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.tsv", '怎么退"货\t如何退货\t1\nq\tr\t0\n'),
        ("b.tsv", 'text_a\ttext_b\tlabel\n怎么退"货\t如何退货\t1\nq\tr\t0\n'),
        ("c.csv", 'label,sentence1,sentence2\n1,"怎么退""货",如何退货\n0,q,r\n'),
        (
            "d.jsonl",
            '{"text_a": "怎么退\\"货", "text_b": "如何退货", "label": 1}\n\n'
            '{"sentence1": "q", "sentence2": "r", "label": "0"}\n',
        ),
    ],
)
def test_files_of_each_form(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text, "utf-8")
    assert read(path) == [LabelledPair('怎么退"货', "如何退货", True), LabelledPair("q", "r", False)]
    assert len(read(path, limit=1)) == 1


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.tsv", b"", "holds no pairs"),
        ("a.tsv", b"one\ttwo\n", "2 columns"),
        ("a.tsv", b"one\ttwo\tmaybe\n", "the label is 'maybe'"),
        ("a.tsv", b"\xff\xfe\t\t1\n", "UTF-8"),
        ("a.jsonl", b"[1]\n", "a.jsonl:1"),
        ("a.jsonl", b"{" * 100_000, "a.jsonl:1"),
        ("a.csv", b'"' + b"x" * 200_000, "table"),
    ],
)
def test_files_that_are_none(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(PairsFileError, match=said):
        read(path)
    with pytest.raises(PairsFileError, match="cannot be read"):
        read(tmp_path / "none.tsv")


def test_the_hand_made_pairs_are_a_labelled_file() -> None:
    folder = Path(__file__).parents[2] / "benches" / "cache"
    pairs = read(folder / "hand_made.tsv")
    assert len(pairs) >= 300
    digest = hashlib.sha256("".join(pair.first for pair in pairs).encode()).hexdigest()
    lines = [line for line in (folder / "guard_cases.txt").read_text("utf-8").splitlines() if line[:1] in ("!", "=")]
    cases = [line[1:].removesuffix(" -").partition("|")[0].strip() for line in lines]
    assert hashlib.sha256("".join(cases).encode()).hexdigest() == digest
