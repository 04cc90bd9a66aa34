"""The verifier in torch, for training only; `verifier_graph` is the same network for running.

The encoder's weights stay as they are. The upper layers get low-rank updates (LoRA: Hu et al. 2021), biases and norms
of their own and a bias a head for tokens of the other question; a small head on symmetric features gives the logit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from .verifier import PAD
from .verifier_base import HEADS, LAYERS, WIDTH, Base, matrix
from .verifier_graph import SCALE

_EPSILON = 1e-12
_NAMES = ("q", "k", "v", "ao", "fi", "fo")
Ids = Sequence[int]


class Updated(nn.Module):
    """A linear layer of the encoder with, for rank > 0, an update of that rank and a bias that is trained."""

    def __init__(self, weights: NDArray[np.float32], bias: NDArray[np.float32], rank: int) -> None:
        super().__init__()
        outputs, inputs = weights.shape
        self.weights = nn.Parameter(torch.tensor(weights), requires_grad=False)
        self.bias = nn.Parameter(torch.tensor(bias), requires_grad=rank > 0)
        self.down = nn.Parameter(torch.randn(rank, inputs) / math.sqrt(inputs)) if rank else None
        self.up = nn.Parameter(torch.zeros(outputs, rank)) if rank else None

    def forward(self, x: Tensor) -> Tensor:
        y = functional.linear(x, self.weights, self.bias)
        if self.down is None or self.up is None:
            return y
        return y + functional.linear(functional.linear(x, self.down), self.up) * SCALE


class Layer(nn.Module):
    """One layer of the encoder; rank 0: frozen and each question alone."""

    def __init__(self, base: Base, layer: int, rank: int) -> None:
        super().__init__()
        tensors = base.tensors
        self.updates = {
            name: Updated(matrix(base, layer, name), tensors[f"l{layer}.{name}.b"], rank) for name in _NAMES
        }
        self.parts = nn.ModuleDict(self.updates)
        self.norms = nn.ParameterDict(
            {
                f"{name}_{part}": nn.Parameter(torch.tensor(tensors[f"l{layer}.{name}.{part}"]), rank > 0)
                for name in ("aln", "oln")
                for part in "wb"
            }
        )
        self.cross = nn.Parameter(torch.zeros(HEADS), rank > 0)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        rows, tokens, width = x.shape

        def heads(name: str) -> Tensor:
            part: Tensor = self.updates[name](x)
            return part.view(rows, tokens, HEADS, width // HEADS).transpose(1, 2)

        context = functional.scaled_dot_product_attention(
            heads("q"), heads("k"), heads("v"), attn_mask=mask.to(x.dtype)
        )
        x = self._norm(x + self.updates["ao"](context.transpose(1, 2).reshape(rows, tokens, width)), "aln")
        return self._norm(x + self.updates["fo"](functional.gelu(self.updates["fi"](x))), "oln")

    def _norm(self, x: Tensor, name: str) -> Tensor:
        return functional.layer_norm(x, (WIDTH,), self.norms[f"{name}_w"], self.norms[f"{name}_b"], _EPSILON)


class Verifier(nn.Module):
    """Logits (n,) of pairs given as `collate` lays them out. `lower` layers are frozen and see each question alone."""

    def __init__(self, base: Base, lower: int = 6, rank: int = 24) -> None:
        super().__init__()
        low, high = base.words & 15, base.words >> 4
        words = (np.concatenate([low, high], axis=-1).astype(np.float32) - 8) * base.word_scales[:, :, None]
        self.words = nn.Parameter(torch.from_numpy(words.reshape(-1, WIDTH)).bfloat16(), requires_grad=False)
        places = base.tensors["emb.pos"].reshape(-1, WIDTH) + base.tensors["emb.type"].reshape(-1, WIDTH)[0]
        self.places = nn.Parameter(torch.tensor(places), requires_grad=False)
        self.embedding_scale, self.embedding_shift = (torch.tensor(base.tensors[f"emb.ln.{part}"]) for part in "wb")
        self.lower = lower
        self.stack = [Layer(base, layer, rank if layer >= lower else 0) for layer in range(LAYERS)]
        self.layers = nn.ModuleList(self.stack)
        self.hidden = nn.Linear(4 * WIDTH, 256)
        self.score = nn.Linear(256, 1)
        self.dropout = nn.Dropout(0.1)

    def forward(self, ids: Tensor, segments: Tensor, positions: Tensor) -> Tensor:
        with torch.no_grad():
            x = self.words[ids].float() + self.places[positions]
            x = functional.layer_norm(x, (WIDTH,), self.embedding_scale, self.embedding_shift, _EPSILON)
            same = segments[:, :, None] == segments[:, None, :]
            never = torch.finfo(torch.float32).min / 2
            alone = torch.zeros(same.shape).masked_fill(~same, never)[:, None]
            both = torch.zeros(same.shape).masked_fill((segments < 0)[:, None, :].expand_as(same), never)[:, None]
            across = (~same).float()[:, None]
            for layer in self.stack[: self.lower]:
                x = layer(x, alone)
        for layer in self.stack[self.lower :]:
            x = layer(x, both + across * layer.cross.view(1, HEADS, 1, 1))
        x = x.float()
        first, second = (_mean(x, segments == side) for side in (0, 1))
        starts = _mean(x, (positions == 0) & (segments >= 0))
        features = torch.cat([(first - second).abs(), first * second, (first + second) / 2, starts], 1)
        logits: Tensor = self.score(self.dropout(functional.gelu(self.hidden(features))))
        return logits.squeeze(1)

    def _trained(self) -> dict[str, Tensor]:
        found: dict[str, Tensor | None] = {
            "head.1.w": self.hidden.weight,
            "head.1.b": self.hidden.bias,
            "head.2.w": self.score.weight,
            "head.2.b": self.score.bias,
        }
        for index in range(self.lower, LAYERS):
            layer = self.stack[index]
            found[f"{index}.cross"] = layer.cross
            for name, norm in layer.norms.items():
                found[f"{index}.{name.replace('_', '.')}"] = norm
            for name, part in layer.updates.items():
                for key, parameter in (("a", part.down), ("b", part.up), ("bias", part.bias)):
                    found[f"{index}.{name}.{key}"] = parameter
        return {name: tensor for name, tensor in found.items() if tensor is not None}

    def adapter(self) -> dict[str, NDArray[Any]]:
        """What was trained, float16, by the names `verifier_graph.build` reads."""
        arrays: dict[str, NDArray[Any]] = {
            name: tensor.detach().numpy().astype(np.float16) for name, tensor in self._trained().items()
        }
        return arrays | {"lower": np.array(self.lower)}

    def resume(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Set what was trained to an adapter's values. Raises KeyError or RuntimeError when it is of another shape."""
        with torch.no_grad():
            for name, tensor in self._trained().items():
                tensor.copy_(torch.tensor(arrays[name]))


def _mean(x: Tensor, where: Tensor) -> Tensor:
    mask = where.float()[:, :, None]
    return (x * mask).sum(1) / mask.sum(1)


def collate(pairs: Sequence[tuple[Ids, Ids]]) -> tuple[Tensor, Tensor, Tensor]:
    """Token ids, segments (0, 1; -1: padding) and positions of pairs, each (n, longest pair)."""
    width = max(len(first) + len(second) for first, second in pairs)
    ids = np.full((len(pairs), width), PAD, np.int64)
    segments, positions = np.full_like(ids, -1), np.zeros_like(ids)
    for row, (first, second) in enumerate(pairs):
        middle, end = len(first), len(first) + len(second)
        ids[row, :middle], ids[row, middle:end] = first, second
        segments[row, :middle], segments[row, middle:end] = 0, 1
        positions[row, :middle], positions[row, middle:end] = range(middle), range(len(second))
    return torch.from_numpy(ids), torch.from_numpy(segments), torch.from_numpy(positions)
