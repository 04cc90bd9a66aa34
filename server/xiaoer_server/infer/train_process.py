"""Training beside the server: a process of its own, so that no second of it is the chat's.

    python -m xiaoer_server.infer.train_process

reads one job from its standard input and writes what came of it to its standard output: a JSON object on one line, then
the bytes of the head, if there is one. Lines on its standard error tell how far it is.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, Literal

import msgspec
import numpy as np

from .evaluation import evaluate_scores
from .head import Floats
from .training import TrainingError, cross_validate, train

#: Longer than any training on vectors takes; what does not end is ended.
SECONDS = 900.0

#: How much nicer it is than the server.
NICE = 10


class Job(msgspec.Struct, frozen=True):
    """What stands on the first line; the vectors follow as float32, shape (len(labels), dimensions)."""

    task: Literal["train", "evaluate"]
    encoder: str
    dimensions: int
    labels: list[str]


class Answer(msgspec.Struct, frozen=True):
    """What comes back on the first line."""

    report: dict[str, Any] = {}
    error: str = ""


async def run(
    task: Literal["train", "evaluate"],
    embeddings: Floats,
    labels: Sequence[str],
    *,
    encoder: str,
    progress: Callable[[str], object] = lambda line: None,
) -> tuple[dict[str, Any], bytes]:
    """Train a head, or cross-validate one, in a process of its own; returns the report and the head's bytes.

    Raises:
        TrainingError: it was not possible, took longer than 15 minutes, or the process failed.
    """
    job = msgspec.json.encode(Job(task, encoder, int(embeddings.shape[1]), list(labels)))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", __spec__.name),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=64 << 20,
        env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )
    assert process.stderr is not None
    told = asyncio.create_task(_tell(process.stderr, progress))
    try:
        sent = job + b"\n" + np.ascontiguousarray(embeddings, "<f4").tobytes()
        async with asyncio.timeout(SECONDS):
            output = await _exchange(process, sent)
            await process.wait()
        last = await told
    except TimeoutError:
        raise TrainingError(f"the training did not end within {SECONDS:g} s") from None
    finally:
        told.cancel()
        if process.returncode is None:
            process.kill()
            await process.wait()
    line, _, head = output.partition(b"\n")
    try:
        answer = msgspec.json.decode(line, type=Answer)
    except msgspec.DecodeError:
        raise TrainingError(f"the training process ended with {process.returncode}: {last}") from None
    if answer.error:
        raise TrainingError(answer.error)
    return answer.report, head


async def _exchange(process: asyncio.subprocess.Process, sent: bytes) -> bytes:
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(sent)
        await process.stdin.drain()
        process.stdin.close()
    except (BrokenPipeError, ConnectionResetError):
        pass  # it ended; its output says why
    return await process.stdout.read()


async def _tell(stream: asyncio.StreamReader, progress: Callable[[str], object]) -> str:
    last = ""
    while line := await stream.readline():
        last = line.decode("utf-8", "replace").strip()
        progress(last)
    return last


def main() -> None:
    """The process."""
    os.nice(NICE)
    job = msgspec.json.decode(sys.stdin.buffer.readline(), type=Job)
    vectors = np.frombuffer(sys.stdin.buffer.read(), "<f4").reshape(len(job.labels), job.dimensions)
    head = b""
    try:
        if job.task == "train":
            trained = train(vectors, job.labels, encoder=job.encoder, progress=_say)
            answer, head = Answer(trained.report), trained.head.dump()
        else:
            names = sorted(set(job.labels))
            numbers = np.array([names.index(label) for label in job.labels])
            _say("cross-validating on 5 parts")
            raw = cross_validate(vectors, numbers)
            answer = Answer(evaluate_scores("cross-validated", names, raw, job.labels))
    except TrainingError as error:
        answer = Answer(error=str(error))
    sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n" + head)
    sys.stdout.buffer.flush()


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
