"""`make load` runs to its end and counts right, on a small scale. What it measures is not asserted."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="the load run needs two cores")
def test_every_scenario_runs_and_nothing_is_lost(tmp_path: Path) -> None:
    small = ["--seconds", "0.5", "--sockets", "5", "--offered", "50", "--streams", "5", "--ramp", "0.1", "--idle", "20"]
    run = subprocess.run(
        [sys.executable, "-m", "benches.load", *small, "--data", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    cells = [[cell.strip() for cell in line.split("|")[1:4]] for line in run.stdout.splitlines() if line[:1] == "|"]
    table = {what: (measured, target) for what, measured, target in cells}
    faultless = "lost 0, duplicated 0, reordered 0, errors 0"
    assert table["faults of both"] == (faultless, "none")
    assert table["their faults; whole answers"] == (f"{faultless}; 5 of 5", "none; all")
    acked, stored = re.findall(r"\d+", table["acknowledged; found in the database after"][0].replace(",", ""))
    assert int(acked) == int(stored) > 0
    assert "(60 tokens)" in table["5 streams × 20 tokens/s: added gap"][0]
    assert any(what.startswith("20 idle WebSockets") for what in table)
    assert any(what.startswith("the simulator itself") for what in table)
    assert list(tmp_path.iterdir()) == [], "the run left its data behind"
