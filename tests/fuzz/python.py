"""One fuzz target of Python for a time: `python -m fuzz.python TARGET --seconds 60`.

With atheris, libFuzzer mutates and the branches of the pure twins guide it: an input that makes the specification go
another way is kept. Without, mutations of the seeds are tried, in the order that the printed seed gives. Either way
an input that fails is written under `--artifacts`, and `python -m fuzz.python TARGET --input FILE` runs it again.
"""

import argparse
import faulthandler
import importlib
import mmap
import os
import sys
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from random import Random
from types import ModuleType

GUIDES = ["xiaoer.pure", "xiaoer._saved", "xiaoer._words"]
LONGEST = 512
TARGETS = ["queue", "sse", "saved", "changes", "filter", "chunker"]


def _atheris() -> ModuleType | None:
    try:
        return importlib.import_module("atheris")
    except ImportError:
        return None


def tool() -> str:
    """What would run here."""
    return "mutations" if _atheris() is None else "atheris"


def _target(name: str) -> Callable[[bytes], None]:
    xiaoer = importlib.import_module("xiaoer")
    assert xiaoer.build_info()["backend"] == "native", "a twin beside itself finds nothing"
    run: Callable[[bytes], None] = importlib.import_module(f"fuzz.{name}_target").run
    return run


def _with_atheris(atheris: ModuleType, options: argparse.Namespace) -> None:
    # Modules are instrumented when they are first imported.
    with atheris.instrument_imports(include=GUIDES):
        run = _target(options.target)
    folders = [*([str(options.corpus)] if options.corpus else []), str(options.seeds)]
    settings = [
        f"-max_total_time={options.seconds}",
        f"-artifact_prefix={options.artifacts}/",
        f"-seed={options.seed}",
        f"-max_len={LONGEST}",
        "-timeout=20",
        "-print_final_stats=1",
    ]
    atheris.Setup([sys.argv[0], *settings, *folders], run)
    atheris.Fuzz()


def mutated(random: Random, seeds: list[bytes]) -> bytes:
    """One of the seeds, or two joined, with a few bytes changed, put in, doubled or taken out."""
    data = bytearray(random.choice(seeds) + (random.choice(seeds) if random.random() < 0.2 else b""))
    for _ in range(random.randint(1, 8)):
        at = random.randint(0, len(data))
        match random.randrange(4):
            case 0:
                data[at : at + 1] = random.randbytes(1)
            case 1:
                data[at:at] = random.randbytes(random.randint(1, 8))
            case 2:
                del data[at : at + random.randint(1, 8)]
            case _:
                other = random.choice(seeds)
                start = random.randint(0, len(other))
                data[at:at] = other[start : start + random.randint(1, 16)]
    return bytes(data[:LONGEST])


def _with_mutations(options: argparse.Namespace) -> None:
    run = _target(options.target)
    random = Random(options.seed)
    seeds = [path.read_bytes() for path in sorted(options.seeds.iterdir())] if options.seeds.is_dir() else []
    seeds.append(b"")
    # A crash of the process leaves the input in this file, which its parent finds.
    last = options.artifacts / "crash-last"
    last.write_bytes(bytes(LONGEST + 2))
    end, count = time.monotonic() + options.seconds, 0
    with open(last, "r+b") as file, mmap.mmap(file.fileno(), LONGEST + 2) as memory:
        while time.monotonic() < end:
            data = mutated(random, seeds)
            memory[: len(data) + 2] = len(data).to_bytes(2, "little") + data
            try:
                run(data)
            except BaseException:
                path = options.artifacts / f"crash-{sha256(data).hexdigest()[:40]}"
                path.write_bytes(data)
                print(f"Test unit written to {path}", flush=True)
                last.unlink()
                raise
            count += 1
    last.unlink()
    print(f"stat::number_of_executed_units: {count}")


def last_input(artifacts: Path) -> Path | None:
    """Of a process that died of a signal: its input, in a file as the others."""
    last = artifacts / "crash-last"
    if not last.exists():
        return None
    content = last.read_bytes()
    data = content[2 : 2 + int.from_bytes(content[:2], "little")]
    path = artifacts / f"crash-{sha256(data).hexdigest()[:40]}"
    path.write_bytes(data)
    last.unlink()
    return path


def main() -> None:
    """Exits with 0 if nothing was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "little") or 1)
    parser.add_argument("--seeds", type=Path, default=Path("native/fuzz/seeds/none"))
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--artifacts", type=Path, default=Path("artifacts/fuzz"))
    parser.add_argument("--input", type=Path, help="run this one and nothing else")
    options = parser.parse_args()
    faulthandler.enable()
    if options.input is not None:
        _target(options.target)(options.input.read_bytes())
        print(f"{options.input} passes")
        return
    options.artifacts.mkdir(parents=True, exist_ok=True)
    atheris = _atheris()
    print(f"{options.target}: {tool()}, seed {options.seed}, {options.seconds} s", flush=True)
    if atheris is not None:
        _with_atheris(atheris, options)
    else:
        _with_mutations(options)


if __name__ == "__main__":
    main()
