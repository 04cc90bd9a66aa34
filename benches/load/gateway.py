"""The gateway under load, beside others: `make load-gateway`, or `python -m benches.load.gateway --only litellm`.

Each subject has a core of its own; the callers and the simulator share the other. Every answer is compared with what
the simulator sent. The tables go to the terminal and, after a full run, into benches/load/README.md.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import shutil
import tempfile
import time
from pathlib import Path

import msgspec
import uvloop

from benches.load import gateway_report, outage, pool_plot
from benches.load.gateway_runs import Bench, Plan, Result
from benches.load.machine import Cores, describe, raise_descriptor_limit
from benches.load.simulator import Simulator
from benches.load.subjects import BUILD, SUBJECTS, Missing, Place, Subject, versions

QUICK = Plan(seconds=0.3, warm=0.1, connections=8, streams=(20,), tokens=20, seconds_paced=0.5)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benches.load.gateway", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", action="append", metavar="NAME", help="pool, faults, or part of a subject's name")
    parser.add_argument("--quick", action="store_true", help="proves that all runs; the figures mean nothing")
    parser.add_argument("--seconds", type=float, default=5.0, help="of measuring as fast as it goes")
    parser.add_argument("--folder", type=Path, default=BUILD, help="where to work")
    options = parser.parse_args()
    plan = QUICK if options.quick else Plan(seconds=options.seconds, seconds_paced=max(5.0, 2 * options.seconds))
    raise_descriptor_limit()
    options.folder.mkdir(parents=True, exist_ok=True)
    cores = Cores.choose()
    os.sched_setaffinity(0, {cores.generator})
    subjects = [subject for subject in SUBJECTS if _wanted(subject.name, options.only)]
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=options.folder))
    try:
        report = gateway_report.Report(
            date=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
            command="make load-gateway" + "".join(f" ARGS='--only {name}'" for name in options.only or []),
            machine=[*describe(folder), "Others: " + ", ".join(versions())],
            quick=options.quick,
            load=os.getloadavg()[0],
            plan=plan,
        )
        if subjects:
            uvloop.run(_subjects(report, subjects, plan, cores, folder))
        for name, part in (("pool", pool_plot), ("faults", outage)):
            if _wanted(name, options.only):
                try:
                    uvloop.run(part.run(report, Place(folder / name, cores.server, 0), quick=options.quick))
                except Missing as problem:
                    print(f"{name}: {problem}")
    finally:
        shutil.rmtree(folder)
    print()
    print("\n\n".join(gateway_report.blocks(report)))
    if not options.quick:
        (BUILD / "gateway.json").write_bytes(msgspec.json.format(msgspec.json.encode(report)))
    if not options.quick and not options.only:
        gateway_report.write(report, Path(__file__).with_name("README.md"))
    if any(result.problems for result in report.results if result.ours):
        raise SystemExit("answers were not as sent; see above")


def _wanted(name: str, only: list[str] | None) -> bool:
    return not only or any(part.lower() in name.lower() for part in only)


async def _subjects(
    report: gateway_report.Report, subjects: list[Subject], plan: Plan, cores: Cores, folder: Path
) -> None:
    async with Simulator(rate=0, first_token=0, models=["sim-model"]) as simulator:
        bench = Bench(simulator, plan)
        print("the simulator itself: measuring", flush=True)
        gc.collect()
        gc.freeze()
        await bench.baseline()
        report.direct = bench.direct
        for number, subject in enumerate(subjects):
            result = Result(subject.name, subject.does, subject.ours)
            report.results.append(result)
            place = Place(folder / str(number), cores.server, simulator.port)
            place.folder.mkdir()
            try:
                await _one(bench, subject, result, place)
            except (Missing, SystemExit) as problem:
                result.missing = str(problem) or "could not be started"
                print(f"{subject.name}: {result.missing}", flush=True)


async def _one(bench: Bench, subject: Subject, result: Result, place: Place) -> None:
    print(f"{subject.name}: starting", flush=True)
    # It may ask the simulator for something while it starts, and that answers in this thread.
    opened = subject.start(place)
    child, endpoint = await asyncio.to_thread(opened.__enter__)
    try:
        print(f"{subject.name}: measuring", flush=True)
        await asyncio.sleep(min(1.0, bench.plan.seconds))
        await bench.measure(result, child, endpoint)
        for line in gateway_report.row(result, bench.direct):
            print(f"  {line}", end="")
        print(flush=True)
    finally:
        await asyncio.to_thread(opened.__exit__, None, None, None)


if __name__ == "__main__":
    main()
