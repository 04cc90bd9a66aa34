"""What visitors of the chat see while the model is killed, stalls, and comes back."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from benches.load.clients import WebSocketClient, connect_all, open_sessions
from benches.load.harness import LIMITS
from benches.load.machine import Child
from benches.load.simulator import Simulator
from benches.load.subjects import Place
from xiaoer_server.chat.handoff import NOTICE

if TYPE_CHECKING:
    from benches.load.gateway_report import Report

VISITORS = 30
PAUSE = 0.5  # seconds from an answer to the next question
PATIENCE = 40.0  # seconds after which a visitor has waited in vain
RESIGNED = 5.0  # the same, for a visitor who was told to wait for a human
TOKENS = 60

_SETTINGS = """
[answer]
burst_ms = 0
burst_max_ms = 0
[model]
base_url = '{}'
api_key = 'upstream-secret'
name = 'sim-model'
allow_private = true
first_token_seconds = 3.0
token_seconds = 2.0
"""


class _Frame(msgspec.Struct):
    type: str
    role: str = ""
    text: str = ""
    finish_reason: str | None = None
    code: str | None = None


_decode = msgspec.json.Decoder(_Frame).decode


class Phase:
    """What was asked while the model was in one state, and what came of it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.asked = 0
        self.seen: Counter[str] = Counter()
        self.waits: list[float] = []

    @property
    def row(self) -> tuple[str, ...]:
        """The line of the table."""
        seen = "; ".join(f"{count:,} × {what}" for what, count in self.seen.most_common())
        waits = f"{statistics.median(self.waits):.2f} / {max(self.waits):.2f} s" if self.waits else "–"
        return (self.name, f"{self.asked:,}", seen, waits)


class Scene:
    """What all visitors have in common."""

    def __init__(self, reply: str) -> None:
        self.reply = reply
        self.phase = Phase("")
        self.over = False


class Visitor(WebSocketClient):
    """Asks, waits for the end of the answer, and asks again."""

    def __init__(self, path: str, scene: Scene) -> None:
        super().__init__(path)
        self.scene = scene
        self._number = 0
        self._text = ""
        self._said = ""
        self._told = False
        self._phase: Phase | None = None
        self._asked = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def ask(self) -> None:
        """Ask the next question."""
        if self.scene.over or self.closed:
            return
        self._number += 1
        self._phase = self.scene.phase
        self._phase.asked += 1
        self._text = self._said = ""
        self._asked = 0.0
        question = {
            "type": "message",
            "client_id": f"{id(self)}-{self._number}",
            "text": f"Which colour has a cloud number {id(self) % 9973}-{self._number}?",
        }
        self.send(msgspec.json.encode(question))
        self._asked = time.perf_counter()
        self._first = True
        wait, what = (
            (RESIGNED, "nothing new: waits for the human, as told") if self._told else (PATIENCE, "nothing at all")
        )
        self._timer = asyncio.get_running_loop().call_later(wait, self._end, what)

    def on_text(self, payload: bytes) -> None:
        frame = _decode(payload)
        if self._phase is None or frame.type in {"ack", "typing", "pong"}:
            return
        if frame.type == "message" and frame.role == "visitor":
            return
        if self._first:
            self._first = False
            self._phase.waits.append(time.perf_counter() - self._asked)
        if frame.type == "delta":
            self._text += frame.text
        elif frame.type == "message":
            self._said = frame.text
            self._told = frame.text in NOTICE.values()
            if self._told or frame.role != "system":
                self._end(f'"{_short(frame.text)}"')
        elif frame.type == "done":
            self._end(self._what(frame.finish_reason or ""))
        elif frame.type == "error":
            self._end(f"error `{frame.code}`")

    def _what(self, reason: str) -> str:
        said = f', and "{_short(self._said)}"' if self._said else ""
        if self._text == self.scene.reply:
            return ("the model's whole answer" if reason == "stop" else f"the whole text, but `{reason}`") + said
        if self._text and self.scene.reply.startswith(self._text):
            return f"a part of the answer, marked `{reason}`{said}"
        return f'"{_short(self._text)}" (`{reason}`){said}'

    def _end(self, what: str) -> None:
        if self._phase is None:
            return
        self._phase.seen[what] += 1
        self._phase = None
        if self._timer is not None:
            self._timer.cancel()
        asyncio.get_running_loop().call_later(PAUSE, self.ask)

    def on_close(self) -> None:
        if not self.scene.over:
            self._end("the connection was closed")


def _short(text: str) -> str:
    text = " ".join(text.split()).replace("|", "/")
    return text if len(text) <= 70 else text[:69] + "…"


async def run(report: Report, place: Place, *, quick: bool) -> None:
    """Do it."""
    place.folder.mkdir(parents=True, exist_ok=True)
    async with Simulator(tokens=TOKENS, rate=50.0, first_token=0.1, models=["sim-model"]) as simulator:
        config = place.folder / "xiaoer.toml"
        config.write_text(LIMITS + _SETTINGS.format(simulator.base_url), "utf-8")
        arguments = ["-m", "xiaoer_server.cli", "serve", "--port", "0"]
        arguments += ["--data", str(place.folder / "data"), "--config", str(config)]
        print("faults: starting the server", flush=True)
        child = await asyncio.to_thread(Child, "server", arguments, place.core, place.folder / "log")
        try:
            report.outage = await _scene(simulator, child.port, quick=quick)
        finally:
            await asyncio.to_thread(child.stop)


async def _scene(simulator: Simulator, port: int, *, quick: bool) -> list[tuple[str, ...]]:
    scene = Scene("".join(simulator.reply))
    phases: list[Phase] = []

    async def phase(name: str, seconds: float) -> None:
        print(f"faults: {name}", flush=True)
        scene.phase = Phase(f"{name}, {seconds:g} s")
        phases.append(scene.phase)
        await asyncio.sleep(seconds)

    pace = 0.1 if quick else 1.0
    scene.phase = Phase("")
    visitors = await connect_all(Visitor, port, await open_sessions(port, 4 if quick else VISITORS), scene)
    loop = asyncio.get_running_loop()
    for number, visitor in enumerate(visitors):
        loop.call_later(0.1 + number / len(visitors), visitor.ask)
    await phase("well", 10 * pace)
    await simulator.stop()
    await phase("killed: nobody listens", 15 * pace)
    await simulator.start()
    await phase("back", 25 * pace)
    simulator.faults = {"stall=10": 1.0}
    await phase("stalls after 10 tokens", 15 * pace)
    simulator.faults = {"hang": 1.0}
    await phase("takes the question and says nothing", 15 * pace)
    simulator.faults = {}
    await phase("back again", 25 * pace)
    scene.over = True
    await asyncio.sleep(5.0 * pace)
    for visitor in visitors:
        visitor.close()
    return [phase.row for phase in phases]
