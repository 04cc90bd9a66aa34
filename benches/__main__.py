"""`python -m benches`: measures native beside the peers, then without SIMD, then in plain Python; writes the report.

`--quick` proves that all of it runs, on small inputs, and leaves README.md alone. Other arguments go to pytest
(`-k sse`) and leave it alone, too.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

from benches.report import write_report
from benches.run import ENVIRONMENT, RUNS, Run

HERE = Path(__file__).parent
FILES = ("baseline", "filter_build", "filter", "chunker", "tokens", "queue", "sse")
BUSY = 1.0
NOTHING_TO_RUN = 5
"""pytest's exit code where no case fits the arguments."""


def main(arguments: list[str]) -> int:
    whole = not arguments
    folder = HERE.parent / "build" / ("bench" if whole else "bench-part")
    folder.mkdir(parents=True, exist_ok=True)
    load = os.getloadavg()[0]
    if load > BUSY:
        print(f"warning: the machine is busy (load {load:.1f}); the figures will suffer, and say so", flush=True)
    began = time.monotonic()
    for run in RUNS:
        print(f"==> {run}", flush=True)
        code = _measure(run, folder / f"{run}.json", arguments)
        if code not in (0, NOTHING_TO_RUN):
            return code
    readme = HERE / "README.md" if whole else folder / "README.md"
    write_report(folder, readme, template=HERE / "README.md")
    print(f"==> {readme}, after {time.monotonic() - began:.0f} s")
    return 0


def _measure(run: Run, results: Path, arguments: list[str]) -> int:
    results.unlink(missing_ok=True)
    files = FILES if run == "native" else FILES[1:]  # an empty call is the same for all builds
    command = [sys.executable, "-m", "pytest", *(str(HERE / f"test_{name}.py") for name in files)]
    # The settings of the tests are for tests: theirs skip benches and make errors of the peers' warnings.
    command += ["-o", "addopts=", "-o", "filterwarnings=default", "-p", "no:schemathesis", "-p", "no:llmock"]
    command += ["-q", "--no-header", "--disable-warnings", "--benchmark-disable-gc", "--benchmark-quiet"]
    command += [f"--benchmark-json={results}", *arguments]
    return subprocess.run(command, env=os.environ | ENVIRONMENT[run], cwd=HERE.parent, check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
