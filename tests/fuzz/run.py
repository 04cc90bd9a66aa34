"""Every fuzz target for a time, a CPU each: `make fuzz`.

The Rust kernels run under libFuzzer: with AddressSanitizer where a nightly toolchain is installed, without it on
the stable one. Where no C++ compiler is (libFuzzer is C++), they run from Python as the others do.
"""

import argparse
import os
import random
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from fuzz import python

ROOT = Path(__file__).parents[2]
CRATE = ROOT / "native/fuzz"
BUILT = ROOT / "native/target/fuzz"
ARTIFACTS = ROOT / "artifacts/fuzz"
RUST = ["filter", "chunker"]
PYTHON = ["queue", "sse", "saved", "changes"]
# What cargo-fuzz passes too; only the sanitizer needs a nightly.
COVERAGE = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "--cfg=fuzzing",
    "-Ccodegen-units=1",
]


@dataclass
class Job:
    """A target and the command that fuzzes it; with a file in the place of options it runs that input alone."""

    name: str
    tool: str
    fuzz: list[str]
    repeat: list[str]


@dataclass
class Result:
    job: Job
    seconds: float
    code: int
    output: str

    @property
    def inputs(self) -> list[Path]:
        """Those that failed."""
        written = [Path(path) for path in re.findall(r"Test unit written to (\S+)", self.output)]
        last = python.last_input(ARTIFACTS / self.job.name)
        return [*written, *([last] if last else [])]


def has_nightly() -> bool:
    """Whether `cargo +nightly` works; only rustup understands that."""
    cargo = shutil.which("cargo")
    if cargo is None or shutil.which("rustup") is None:
        return False
    return subprocess.run([cargo, "+nightly", "--version"], capture_output=True, check=False).returncode == 0


def host() -> str:
    """The target triple of this machine. Given to cargo, it keeps flags away from build scripts."""
    told = subprocess.run(["rustc", "-vV"], capture_output=True, text=True, check=True).stdout
    return next(line.split()[1] for line in told.splitlines() if line.startswith("host:"))


def build() -> tuple[Path, str]:
    """The folder of the built Rust targets, and with what they were built."""
    nightly = has_nightly()
    tool = "libFuzzer + AddressSanitizer, nightly Rust" if nightly else "libFuzzer, stable Rust (no nightly installed)"
    print(f"==> building the Rust targets: {tool}", flush=True)
    flags = [*COVERAGE, *(["-Zsanitizer=address"] if nightly else [])]
    folder = BUILT / ("nightly" if nightly else "stable")
    command = ["cargo", *(["+nightly"] if nightly else []), "build", "--release", "--bins", "--locked"]
    command += ["--target", host(), "--target-dir", str(folder)]
    environment = {name: value for name, value in os.environ.items() if name != "RUSTFLAGS"}
    environment["CARGO_ENCODED_RUSTFLAGS"] = "\x1f".join(flags)
    subprocess.run(command, cwd=CRATE, env=environment, check=True)
    return folder / host() / "release", tool


def rust_jobs(names: list[str], seconds: int, seed: int) -> Iterator[Job]:
    if not names:
        return
    if not any(map(shutil.which, ("c++", "g++", "clang++"))):
        print("==> no C++ compiler: the Rust kernels are fuzzed from Python", flush=True)
        yield from python_jobs(names, seconds, seed)
        return
    folder, tool = build()
    for name in names:
        corpus = BUILT / "corpus" / name
        corpus.mkdir(parents=True, exist_ok=True)
        options = [f"-max_total_time={seconds}", f"-seed={seed}", f"-artifact_prefix={ARTIFACTS / name}/"]
        options += ["-max_len=512", "-timeout=20", "-print_final_stats=1", "-rss_limit_mb=4096"]
        program = str(folder / name)
        yield Job(name, tool, [program, *options, str(corpus), str(CRATE / "seeds" / name)], [program])


def python_jobs(names: list[str], seconds: int, seed: int) -> Iterator[Job]:
    for name in names:
        corpus = BUILT / "corpus" / f"python-{name}"
        corpus.mkdir(parents=True, exist_ok=True)
        program = [sys.executable, "-m", "fuzz.python", name]
        options = ["--seconds", str(seconds), "--seed", str(seed), "--artifacts", str(ARTIFACTS / name)]
        folders = ["--seeds", str(CRATE / "seeds" / name), "--corpus", str(corpus)]
        tool = python.tool() + ("" if python.tool() == "atheris" else " of the seeds (no atheris for this Python)")
        yield Job(name, tool, [*program, *options, *folders], [*program, "--input"])


def _environment() -> dict[str, str]:
    environment = dict(os.environ, PYTHONPATH=str(ROOT / "tests"), XIAOER_BACKEND="native")
    environment.setdefault("ASAN_OPTIONS", "detect_leaks=0")
    return environment


def fuzz(job: Job, seconds: int) -> Result:
    """Runs one job, its output to a file beside what it finds."""
    folder = ARTIFACTS / job.name
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "log"
    began = time.monotonic()
    with log.open("wb") as file:
        process = subprocess.Popen(job.fuzz, cwd=ROOT, env=_environment(), stdout=file, stderr=subprocess.STDOUT)
        try:
            code = process.wait(timeout=seconds + 120)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            code = -1
            file.write(b"\nhangs: ended two minutes after its time\n")
    return Result(job, time.monotonic() - began, code, log.read_text(encoding="utf-8", errors="replace"))


def report(result: Result) -> bool:
    """One line if nothing was found; what is needed to repeat it, if something was. Returns which."""
    runs = re.search(r"number_of_executed_units: +(\d+)", result.output)
    done = f"{int(runs[1]):,} runs" if runs else "no count of runs"
    if result.code == 0 and runs and int(runs[1]) > 0:
        print(f"{result.job.name:8} {done:>16} in {result.seconds:3.0f} s, {result.job.tool}", flush=True)
        return True
    print(f"\n{result.job.name}: FAILED ({result.job.tool}; exit code {result.code}, {done})")
    print("\n".join(result.output.splitlines()[-60:]))
    print(f"\nall that it said: {ARTIFACTS / result.job.name / 'log'}")
    for path in result.inputs:
        print(f"\nthe input is {path}; to run it again:")
        print(f"  make fuzz ARGS='--only {result.job.name} --input {path}'", flush=True)
    return False


def main() -> None:
    """Exits with 1 if a target failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1, 2**31))
    parser.add_argument("--only", action="append", choices=[*RUST, *PYTHON], help="this target; may be repeated")
    parser.add_argument("--input", type=Path, help="with --only: run this input and nothing else")
    options = parser.parse_args()
    chosen = options.only or [*RUST, *PYTHON]
    jobs = [
        *rust_jobs([name for name in RUST if name in chosen], options.seconds, options.seed),
        *python_jobs([name for name in PYTHON if name in chosen], options.seconds, options.seed),
    ]
    if options.input is not None:
        [job] = jobs
        sys.exit(
            subprocess.run([*job.repeat, str(options.input)], cwd=ROOT, env=_environment(), check=False).returncode
        )
    print(f"==> fuzzing {', '.join(chosen)}: {options.seconds} s each, seed {options.seed}", flush=True)
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        passed = [report(result) for result in pool.map(lambda job: fuzz(job, options.seconds), jobs)]
    if not all(passed):
        sys.exit(f"{passed.count(False)} of {len(passed)} targets failed")


if __name__ == "__main__":
    main()
