"""The load run: `make load`, or `python -m benches.load --only acks --seconds 30`.

Server, simulator and this generator are processes of their own, the server alone on its core. Every scenario starts
a fresh server on a fresh data folder, and stops it. One table at the end, with the machine and the versions.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import uvloop

from benches.load import scenarios
from benches.load.machine import Child, Cores, describe, raise_descriptor_limit
from benches.load.scenarios import Row

SCENARIOS = ("acks", "streams", "idle", "simulator")

#: What one visitor or one address may do is not what is measured.
LIMITS = """
[limits]
visitor_burst = 10000000
visitor_rate = 1000000.0
address_burst = 10000000
address_rate = 1000000.0
session_burst = 10000000
session_rate = 1000000.0
address_sockets = 10000000
"""


class Run:
    """Where it runs and what it found."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.options = options
        self.folder = folder
        self.cores = Cores.choose()
        self.rows: list[Row] = []

    @contextlib.contextmanager
    def server(self, name: str, toml: str) -> Iterator[Child]:
        """A fresh `xiaoer serve`."""
        print(f"{name}: starting the server", flush=True)
        config = self.folder / f"{name}.toml"
        config.write_text(LIMITS + toml, "utf-8")
        arguments = ["-m", "xiaoer_server.cli", "serve", "--port", "0"]
        arguments += ["--data", str(self.folder / name), "--config", str(config)]
        with self._child("server", arguments, self.cores.server, name) as child:
            print(f"{name}: measuring", flush=True)
            yield child

    @contextlib.contextmanager
    def simulator(self, core: int, *arguments: str) -> Iterator[Child]:
        """A fresh simulator."""
        with self._child("simulator", ["-m", "benches.load.simulator", *arguments], core, "simulator") as child:
            yield child

    @contextlib.contextmanager
    def _child(self, kind: str, arguments: list[str], core: int, log: str) -> Iterator[Child]:
        child = Child(kind, arguments, core, self.folder / f"{log}.log")
        try:
            yield child
        finally:
            child.stop()

    def acks(self) -> None:
        """Messages to acks, and whether all of those are in the database."""
        options = self.options
        with self.server("acks", "[answer]\nenabled = false\n") as server:
            rows, acked = uvloop.run(
                scenarios.acks(
                    server,
                    connections=options.sockets,
                    in_flight=options.in_flight,
                    offered=options.offered,
                    seconds=options.seconds,
                )
            )
        with contextlib.closing(sqlite3.connect(self.folder / "acks" / "xiaoer.db")) as database:
            (stored,) = database.execute("SELECT count(*) FROM entries WHERE role = 'visitor'").fetchone()
        self.rows += rows
        self.rows.append(Row("  acknowledged; found in the database after", f"{acked:,}; {stored:,}", "equal"))

    def streams(self) -> None:
        """Answers at the pace of a model."""
        options = self.options
        # All answers are under way together for the seconds that are measured.
        tokens = max(1, int((options.ramp + options.seconds) * options.rate))
        first_token = 0.05
        arguments = ["--stamp", "--tokens", str(tokens), "--rate", str(options.rate)]
        arguments += ["--first-token", str(first_token)]
        with self.simulator(self.cores.simulator, *arguments) as simulator:
            toml = (
                "[answer]\nburst_ms = 0\nburst_max_ms = 0\nconcurrency = 100000\nmax_waiting = 100000\n"
                f"[model]\nbase_url = 'http://127.0.0.1:{simulator.port}/v1'\napi_key = 'none'\nname = 'simulated'\n"
                f"max_tokens = {tokens + 1}\nconnections = 100000\nanswer_seconds = 3600.0\n"
            )
            with self.server("streams", toml) as server:
                self.rows += uvloop.run(
                    scenarios.streams(
                        server,
                        connections=options.streams,
                        rate=options.rate,
                        tokens=tokens,
                        first_token=first_token,
                        ramp=options.ramp,
                    )
                )

    def idle(self) -> None:
        """Memory of visitors who do nothing."""
        with self.server("idle", "[answer]\nenabled = false\n") as server:
            self.rows += uvloop.run(scenarios.idle(server, connections=self.options.idle))

    def ceiling(self) -> None:
        """The simulator's own limit, on the server's core while no server is there."""
        print("simulator: measuring", flush=True)
        with self.simulator(self.cores.server, "--rate", "0", "--first-token", "0") as simulator:
            self.rows += uvloop.run(
                scenarios.ceiling(simulator, connections=64, seconds=min(5.0, self.options.seconds))
            )

    def print_table(self) -> None:
        """The table, in Markdown."""
        cells = [Row("what", "measured", "target"), *self.rows]
        widths = [max(len(row[i]) for row in cells) for i in range(3)]
        print()
        for line in describe(self.folder):
            print(line)
        print(
            f"server on core {self.cores.server}, generator on core {self.cores.generator}, "
            f"simulator on core {self.cores.simulator}\n"
        )
        for number, row in enumerate(cells):
            print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |")
            if number == 0:
                print("|" + "|".join("-" * (width + 2) for width in widths) + "|")


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benches.load", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", choices=SCENARIOS, action="append", help="may be given often; default: all")
    parser.add_argument("--seconds", type=float, default=10.0, help="of measuring in a scenario")
    parser.add_argument("--sockets", type=int, default=300, help="that post messages")
    parser.add_argument("--in-flight", type=int, default=1, help="messages under way on each of those")
    parser.add_argument("--offered", type=float, default=10_000, help="messages a second, at a steady rate")
    parser.add_argument("--streams", type=int, default=1000, help="answers at once")
    parser.add_argument("--rate", type=float, default=20.0, help="tokens a second in each")
    parser.add_argument("--ramp", type=float, default=30.0, help="seconds over which they begin")
    parser.add_argument("--idle", type=int, default=5000, help="WebSockets that do nothing")
    parser.add_argument("--data", type=Path, default=Path("var"), help="where to make the folder; on a real disk")
    options = parser.parse_args()
    wanted = options.only or SCENARIOS
    raise_descriptor_limit()
    options.data.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="load-", dir=options.data))
    try:
        run = Run(options, folder)
        os.sched_setaffinity(0, {run.cores.generator})
        for name in SCENARIOS:
            if name in wanted:
                {"acks": run.acks, "streams": run.streams, "idle": run.idle, "simulator": run.ceiling}[name]()
        run.print_table()
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
