"""Do two questions ask for the same thing, so that the answer to one may be given to the other?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from .manifest import version_of
from .opposites import opposite

BOS, PAD, EOS = 0, 1, 2
MAX_TOKENS = 62
MAX_CHARACTERS = 400
# More would save a third, and let a pair's result depend on what it is run with.
_BATCH = 1


class VerifierError(ValueError):
    """The folder is no verifier, or the model gave no finite number."""


class CurvePoint(msgspec.Struct, frozen=True):
    """At `threshold` and above: `recall` of the pairs that ask the same, `wrong` of the hits that do not.

    `wrong` is the upper end of what the calibration pairs allow, their domains taken together.
    """

    threshold: float
    recall: float
    wrong: float


class _Manifest(msgspec.Struct):
    kind: str
    threshold: float
    curve: list[CurvePoint]
    name: str = "verifier"
    files: dict[str, str] = {}


class PairVerifier:
    """A pair classifier over both questions at once, int8, on ONNX Runtime.

    `folder` holds model.onnx, tokenizer.json and manifest.json, as `verifier_build.build` writes them; whoever opens it
    has compared the hashes. Raises VerifierError when the folder is of another kind, OSError when a file is missing.
    """

    def __init__(self, folder: Path, threads: int = 1) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        try:
            manifest = msgspec.json.decode((folder / "manifest.json").read_bytes(), type=_Manifest)
        except msgspec.MsgspecError as error:
            raise VerifierError(f"{folder.name}: manifest.json is not a verifier's: {error}") from error
        if manifest.kind != "verifier":
            raise VerifierError(f"{folder.name} is of kind {manifest.kind!r}, not a verifier")
        self.version = version_of(manifest.name, manifest.files)
        self.threshold = manifest.threshold
        self.curve = manifest.curve
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
        )
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))

    def threshold_for(self, wrong_hit_target: float) -> float:
        """The lowest threshold from which on wrong hits stay within the target; above 1 if there is none."""
        best = 1.1
        for point in sorted(self.curve, key=lambda point: -point.threshold):
            if point.wrong > wrong_hit_target:
                break
            best = point.threshold
        return best

    def verify(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """The probability that both ask for the same thing, for each pair; the order in a pair makes no difference.

        0.0 where a question is empty or too long to be compared whole (over 62 tokens or 400 characters): cut off, two
        long texts would look alike; and where one word turns the meaning round (`opposites`). Raises TypeError on what
        is not a string, VerifierError on a result that is no number.
        """
        found = [0.0] * len(pairs)
        rows: list[tuple[int, list[int], list[int]]] = []
        for index, (first, second) in enumerate(pairs):
            if kinds := {type(text).__name__ for text in (first, second)} - {"str"}:
                raise TypeError(f"a question is a string, not {', '.join(sorted(kinds))}")
            one, other = (self._ids(text) for text in sorted((first, second)))
            if one and other and not opposite(first, second):
                rows.append((index, one, other))
        rows.sort(key=lambda row: len(row[1]) + len(row[2]))
        for start in range(0, len(rows), _BATCH):
            batch = rows[start : start + _BATCH]
            for (index, _, _), logit in zip(batch, self._run(batch), strict=True):
                found[index] = float(1 / (1 + np.exp(-np.float64(logit))))
        return found

    def _ids(self, text: str) -> list[int]:
        if len(text) > MAX_CHARACTERS or not text.strip():
            return []
        clean = text.encode("utf-8", "replace").decode()
        ids = self._tokenizer.encode(clean, add_special_tokens=False).ids
        return [BOS, *ids, EOS] if 0 < len(ids) <= MAX_TOKENS else []

    def _run(self, batch: list[tuple[int, list[int], list[int]]]) -> NDArray[np.float32]:
        width = max(len(one) + len(other) for _, one, other in batch)
        ids = np.full((len(batch), width), PAD, np.int64)
        segments = np.full_like(ids, -1)
        positions = np.zeros_like(ids)
        for row, (_, one, other) in enumerate(batch):
            middle, end = len(one), len(one) + len(other)
            ids[row, :end] = one + other
            segments[row, :middle], segments[row, middle:end] = 0, 1
            positions[row, :middle], positions[row, middle:end] = range(middle), range(len(other))
        (logits,) = self._session.run(["logits"], {"ids": ids, "segments": segments, "positions": positions})
        if not np.isfinite(logits).all():
            raise VerifierError("the verifier's result is not a finite number")
        return np.asarray(logits, np.float32)
