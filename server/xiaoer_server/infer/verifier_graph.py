"""The verifier as an ONNX file, made on the user's machine of the encoder's weights and our adapter.

Both questions lie in one row. The lower layers see each question alone, as the encoder was trained; the upper ones see
both, with the adapter (low-rank updates, Hu et al. 2021) merged in and a learned bias a head for looking across.
Positions start anew for each question and the head takes only symmetric features, so the order makes no difference.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from .verifier_base import HEADS, LAYERS, WIDTH, Base, matrix

OPSET = 20
SCALE = 2.0
_NEVER = -1e9
_EPSILON = 1e-12


class Graph:
    """Collects nodes and weights; every method returns the name of what it made."""

    def __init__(self, int8: bool = True) -> None:
        self._int8 = int8
        self._dynamic: dict[str, tuple[str, str, str]] = {}
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self._count = 0

    def constant(self, value: NDArray[Any] | np.generic | Sequence[int], dtype: Any = None) -> str:
        self._count += 1
        name = f"w{self._count}"
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(value, dtype), name))
        return name

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        self._count += 1
        name = f"{operator.lower()}{self._count}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], name, **attributes))
        return name

    def linear(self, x: str, weights: NDArray[np.float32], bias: NDArray[np.float32]) -> str:
        product = (
            self._quantized(x, weights) if self._int8 else self.add("MatMul", x, self.constant(weights.T, np.float32))
        )
        return self.add("Add", product, self.constant(bias, np.float32))

    def _quantized(self, x: str, weights: NDArray[np.float32]) -> str:
        """int8 weights with a scale an output, uint8 inputs with one a call; ONNX Runtime joins it to one kernel."""
        scales = np.maximum(np.abs(weights).max(axis=1) / 127, 1e-12).astype(np.float32)
        whole = np.clip(np.rint(weights / scales[:, None]), -127, 127).astype(np.int8)
        if x not in self._dynamic:
            names = (f"{x}_q", f"{x}_scale", f"{x}_zero")
            self.nodes.append(helper.make_node("DynamicQuantizeLinear", [x], list(names), f"{x}_dynamic"))
            self._dynamic[x] = names
        inputs, scale, zero = self._dynamic[x]
        zeros = self.constant(np.zeros(len(scales), np.int8))
        product = self.add("MatMulInteger", inputs, self.constant(whole.T), zero, zeros)
        return self.add(
            "Mul", self.add("Cast", product, to=TensorProto.FLOAT), self.add("Mul", scale, self.constant(scales))
        )

    def norm(self, x: str, weights: NDArray[np.float32], bias: NDArray[np.float32]) -> str:
        scale, shift = self.constant(weights, np.float32), self.constant(bias, np.float32)
        return self.add("LayerNormalization", x, scale, shift, axis=-1, epsilon=_EPSILON)


def build(base: Base, adapter: dict[str, NDArray[Any]], path: Path, *, int8: bool = True) -> None:
    """Write the graph: inputs ids, segments (0, 1; -1: padding) and positions, each (n, tokens) int64; output
    logits (n,) float32. The word embeddings stay packed in four bits.
    """
    graph = Graph(int8)
    lower = int(adapter["lower"])
    row = graph.constant([0, 0, WIDTH], np.int64)
    x = _embed(graph, base, row)
    first, second = (graph.add("Unsqueeze", "segments", graph.constant([axis], np.int64)) for axis in (2, 1))
    same = graph.add("Equal", first, second)
    zero, never = graph.constant(np.float32(0)), graph.constant(np.float32(_NEVER))
    channel = graph.constant([1], np.int64)
    alone = graph.add("Unsqueeze", graph.add("Where", same, zero, never), channel)
    padded = graph.add("Less", second, graph.constant(np.int64(0)))
    both = graph.add("Unsqueeze", graph.add("Where", padded, never, zero), channel)
    across = graph.add("Unsqueeze", graph.add("Cast", graph.add("Not", same), to=TensorProto.FLOAT), channel)
    for layer in range(LAYERS):
        mask = alone
        if layer >= lower:
            bias = graph.constant(adapter[f"{layer}.cross"].reshape(1, HEADS, 1, 1), np.float32)
            mask = graph.add("Add", both, graph.add("Mul", across, bias))
        x = _layer(graph, base, adapter, layer, x, mask, row)
    _head(graph, adapter, x)
    shape, names = ["n", "tokens"], ("ids", "segments", "positions")
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "verifier",
            [helper.make_tensor_value_info(name, TensorProto.INT64, shape) for name in names],
            [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n"])],
            graph.weights,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=9,
    )
    onnx.save(model, path)


def _embed(graph: Graph, base: Base, row: str) -> str:
    packed = graph.add("Gather", graph.constant(base.words), "ids")
    low = graph.add("BitwiseAnd", packed, graph.constant(np.uint8(15)))
    high = graph.add("BitShift", packed, graph.constant(np.uint8(4)), direction="RIGHT")
    weights = graph.add("Cast", graph.add("Concat", low, high, axis=-1), to=TensorProto.FLOAT)
    centred = graph.add("Sub", weights, graph.constant(np.float32(8)))
    scales = graph.add("Cast", graph.add("Gather", graph.constant(base.word_scales), "ids"), to=TensorProto.FLOAT)
    scaled = graph.add("Mul", centred, graph.add("Unsqueeze", scales, graph.constant([3], np.int64)))
    words = graph.add("Reshape", scaled, row)
    places = base.tensors["emb.pos"].reshape(-1, WIDTH) + base.tensors["emb.type"].reshape(-1, WIDTH)[0]
    x = graph.add("Add", words, graph.add("Gather", graph.constant(places), "positions"))
    return graph.norm(x, base.tensors["emb.ln.w"], base.tensors["emb.ln.b"])


def _layer(graph: Graph, base: Base, adapter: dict[str, NDArray[Any]], layer: int, x: str, mask: str, row: str) -> str:
    def linear(inputs: str, name: str) -> str:
        weights, bias = matrix(base, layer, name), base.tensors[f"l{layer}.{name}.b"]
        if f"{layer}.{name}.a" in adapter:
            down, up = (adapter[f"{layer}.{name}.{part}"].astype(np.float32) for part in "ab")
            weights, bias = weights + SCALE * (up @ down), adapter[f"{layer}.{name}.bias"]
        return graph.linear(inputs, weights, bias)

    def norm(inputs: str, name: str) -> str:
        parts = [adapter.get(f"{layer}.{name}.{part}", base.tensors[f"l{layer}.{name}.{part}"]) for part in "wb"]
        return graph.norm(inputs, *parts)

    split = graph.constant([0, 0, HEADS, WIDTH // HEADS], np.int64)
    query, key, value = (graph.add("Reshape", linear(x, name), split) for name in "qkv")
    query, value = (graph.add("Transpose", part, perm=[0, 2, 1, 3]) for part in (query, value))
    scores = graph.add("MatMul", query, graph.add("Transpose", key, perm=[0, 2, 3, 1]))
    scaled = graph.add("Mul", scores, graph.constant(np.float32((WIDTH // HEADS) ** -0.5)))
    shares = graph.add("Softmax", graph.add("Add", scaled, mask), axis=-1)
    context = graph.add("Transpose", graph.add("MatMul", shares, value), perm=[0, 2, 1, 3])
    x = norm(graph.add("Add", x, linear(graph.add("Reshape", context, row), "ao")), "aln")
    return norm(graph.add("Add", x, linear(graph.add("Gelu", linear(x, "fi")), "fo")), "oln")


def _head(graph: Graph, adapter: dict[str, NDArray[Any]], x: str) -> None:
    def mean(mask: str) -> str:
        axis = graph.constant([1], np.int64)
        total = graph.add("ReduceSum", graph.add("Mul", x, mask), axis, keepdims=0)
        return graph.add("Div", total, graph.add("ReduceSum", mask, axis, keepdims=0))

    def where(test: str) -> str:
        return graph.add("Unsqueeze", graph.add("Cast", test, to=TensorProto.FLOAT), graph.constant([2], np.int64))

    zero, one = graph.constant(np.int64(0)), graph.constant(np.int64(1))
    first, second = (mean(where(graph.add("Equal", "segments", side))) for side in (zero, one))
    starts = graph.add("And", graph.add("Equal", "positions", zero), graph.add("GreaterOrEqual", "segments", zero))
    features = graph.add(
        "Concat",
        graph.add("Abs", graph.add("Sub", first, second)),
        graph.add("Mul", first, second),
        graph.add("Mul", graph.add("Add", first, second), graph.constant(np.float32(0.5))),
        mean(where(starts)),
        axis=1,
    )
    hidden = graph.add("Gelu", graph.linear(features, adapter["head.1.w"], adapter["head.1.b"]))
    scores = graph.linear(hidden, adapter["head.2.w"], adapter["head.2.b"])
    graph.nodes.append(helper.make_node("Squeeze", [scores, graph.constant([1], np.int64)], ["logits"]))
