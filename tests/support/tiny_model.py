"""A model process on a real ONNX model that is made here in a moment: hashed characters, one matrix, length 1.

    python tests/support/tiny_model.py --file tiny.onnx --listen unix:/… [--name NAME] [--delay-ms MS]

The empty text is the zero vector, and zero by zero is not a number: that is how a model breaks in earnest. Everything
else is the process's own code.
"""

from __future__ import annotations

import argparse
import io
import sys
import time
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime

from xiaoer_server.infer.interface import Kind, Scores, Vectors
from xiaoer_server.infer.loader import Models
from xiaoer_server.infer.server import main

FEATURES = 256


def build(dimensions: int, seed: int = 7) -> bytes:
    """The ONNX file: vectors = x·W / |x·W|."""
    import onnx  # half a second that a process which only reads the file need not wait for
    from onnx import TensorProto, helper, numpy_helper

    weights = np.random.default_rng(seed).standard_normal((FEATURES, dimensions)).astype(np.float32)
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["y"]),
        helper.make_node("Mul", ["y", "y"], ["squares"]),
        helper.make_node("ReduceSum", ["squares", "last"], ["sum"], keepdims=1),
        helper.make_node("Sqrt", ["sum"], ["length"]),
        helper.make_node("Div", ["y", "length"], ["vectors"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", FEATURES])],
        [helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["n", dimensions])],
        [
            numpy_helper.from_array(weights, "w"),
            numpy_helper.from_array(np.array([1], np.int64), "last"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content


class TinyEncoder:
    """Runs the model. `delay` is what a larger one would take for each text besides, in seconds."""

    def __init__(self, content: bytes, name: str = "tiny", delay: float = 0.0) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        self._delay = delay
        self.version = f"{name}@{zlib.crc32(content):08x}"

    def embed(self, texts: Sequence[str], kind: Kind) -> Vectors:
        if self._delay:
            time.sleep(self._delay * len(texts))
        if "boom" in texts:
            raise ValueError("this text breaks the tokenizer")
        rows = np.zeros((len(texts), FEATURES), np.float32)
        for row, text in zip(rows, texts, strict=True):
            for character in text:
                row[zlib.crc32(character.encode()) % FEATURES] += 1
        vectors: Vectors = self._session.run(None, {"x": rows})[0]
        return vectors


class TinyVerifier:
    """The cosine of the two, as a probability."""

    version = "tiny-verifier"

    def __init__(self, encoder: TinyEncoder) -> None:
        self._encoder = encoder

    def verify(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        left = self._encoder.embed([pair[0] for pair in pairs], "query")
        right = self._encoder.embed([pair[1] for pair in pairs], "query")
        return [float(share) for share in np.clip((left * right).sum(axis=1), 0, 1)]


class TinyHead:
    """The nearest of some vectors that have names."""

    def __init__(self, content: bytes) -> None:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            self._labels = [str(label) for label in archive["labels"]]
            self._rows = archive["rows"]

    def scores(self, embeddings: Vectors) -> list[Scores]:
        found = np.clip(embeddings @ self._rows.T, 0, 1)
        return [
            Scores([(self._labels[place], float(row[place])) for place in np.argsort(-row)[:5]], float(row.max()))
            for row in found
        ]


def head(labels: Sequence[str], rows: Vectors) -> bytes:
    """A head's bytes."""
    file = io.BytesIO()
    np.savez(file, labels=np.array(labels), rows=rows)
    return file.getvalue()


def _main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--file", type=Path, required=True)
    parser.add_argument("--name", default="tiny")
    parser.add_argument("--delay-ms", type=float, default=0)
    parser.add_argument("--without-verifier", action="store_true")
    parser.add_argument("--without-encoder", action="store_true")
    own, rest = parser.parse_known_args()

    def load(folder: Path, encoder: str, verifier: str, threads: int) -> Models:
        tiny = TinyEncoder(own.file.read_bytes(), own.name, own.delay_ms / 1_000)
        judge = None if own.without_verifier else TinyVerifier(tiny)
        if own.without_encoder:
            return Models(None, 0, None, "", TinyHead)
        dimensions = tiny.embed(["你好"], "query").shape[1]
        return Models(tiny, dimensions, judge, judge.version if judge is not None else "", TinyHead)

    return main([*rest, "--models", "none"], load)


if __name__ == "__main__":
    sys.exit(_main())
