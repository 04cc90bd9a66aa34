"""Ten questions in each language, asked once, then in other words: what the chat makes of them by meaning.

A hit of the cache is the same answer again, without the model. Where there is none, the model answers from articles,
and what counts is whether these are the same as those of the first question.

    python -m benches.meaning [--models DIR] [--write]

A server of its own on a fresh data folder, the demo shop, flows and intents on as they come, a model simulator behind
it. The first start makes the models, unless a folder that has them is given. `--write` puts the run into README.md of
`benches/cache`.
"""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import msgspec
import websockets

from benches.load.clients import open_sessions
from benches.load.harness import LIMITS
from benches.load.machine import Child, describe
from benches.load.simulator import Simulator

PAIRS = {
    "zh": (
        ("退款多久到账", "退的钱几天能到我卡里"),
        ("运费怎么算", "邮费要多少钱"),
        ("可以开发票吗", "能不能给我开张发票"),
        ("茶叶怎么保存", "茶叶要怎么存放才好"),
        ("几天可以送到", "大概多久能收到货"),
        ("可以寄到国外吗", "海外能不能配送"),
        ("怎么修改手机号", "手机号换了怎么改"),
        ("会员积分有什么用", "积分可以拿来做什么"),
        ("你们周末发货吗", "周六周日也会发货吗"),
        ("茶具碎了怎么赔", "收到的茶具是碎的，怎么赔付"),
    ),
    "en": (
        ("How long does a refund take?", "When will a refund reach an account?"),
        ("How much is delivery?", "What does shipping cost?"),
        ("Can I get an invoice for my company?", "Is it possible to have an invoice made out to a company?"),
        ("How should tea be stored?", "What is the best way to keep tea?"),
        ("How many days does delivery take?", "How long until a parcel arrives?"),
        ("Do you ship abroad?", "Can you deliver to other countries?"),
        ("How do I change the phone number of an account?", "How can I update the phone number on an account?"),
        ("What are loyalty points good for?", "What can loyalty points be used for?"),
        ("Do you ship at the weekend?", "Are parcels sent on Saturdays and Sundays?"),
        ("Which payment methods do you take?", "How can people pay in your shop?"),
    ),
}
#: Asked last: near in words, another meaning.
TRAPS = {
    "zh": (("几天可以送到", "几天之内可以退"), ("可以开发票吗", "发票开错了怎么办")),
    "en": (
        ("Do you ship abroad?", "Do you ship at the weekend to islands?"),
        ("How much is delivery?", "How much is tea?"),
    ),
}
ANSWER = {"zh": "这是本店说明里的内容。", "en": "This is what our help pages say."}
_SETTINGS = (
    LIMITS
    + """
[answer]
burst_ms = 0
burst_max_ms = 0
[model]
base_url = '{}'
api_key = 'upstream-secret'
name = 'sim-model'
allow_private = true
"""
)
READY_SECONDS = 300.0


class _Source(msgspec.Struct):
    title: str


class _Frame(msgspec.Struct):
    type: str
    role: str = ""
    sources: list[_Source] | None = None


class _Answered(NamedTuple):
    """How long the first words took, in seconds, and the title of the first source; "" where there is none."""

    seconds: float
    source: str


async def _ask(port: int, question: str) -> _Answered:
    """Ask in a conversation of its own."""
    [path] = await open_sessions(port, 1)
    async with websockets.connect(f"ws://127.0.0.1:{port}{path}") as socket:
        began = time.perf_counter()
        first = 0.0
        await socket.send(msgspec.json.encode({"type": "message", "client_id": "q", "text": question}).decode())
        while True:
            frame = msgspec.json.decode(await asyncio.wait_for(socket.recv(), 30), type=_Frame)
            if frame.type in ("delta", "done") or (frame.type == "message" and frame.role == "system"):
                first = first or time.perf_counter() - began
            if frame.type == "done" or (frame.type == "message" and frame.role == "system"):
                return _Answered(first, frame.sources[0].title if frame.sources else "")


def _answered_by(data: Path) -> str:
    with sqlite3.connect(f"file:{data / 'xiaoer.db'}?mode=ro", uri=True) as connection:
        [(by,)] = connection.execute(
            "SELECT answered_by FROM entries WHERE role != 'visitor' ORDER BY at DESC, seq DESC LIMIT 1"
        ).fetchall()
    connection.close()
    return str(by).partition(":")[0]


async def _run(folder: Path, models: Path | None) -> list[tuple[str, ...]]:
    data = folder / "data"
    rows: list[tuple[str, ...]] = []
    async with Simulator(rate=0, first_token=0, models=["sim-model"]) as simulator:
        config = folder / "xiaoer.toml"
        config.write_text(_SETTINGS.format(simulator.base_url), "utf-8")
        environ = {
            "XIAOER_INFER_ENABLED": "true",
            "XIAOER_CACHE_ENABLED": "true",
            "XIAOER_ANSWER_WITHOUT_EVIDENCE": "human",
            **({"XIAOER_INFER_FOLDER": str(models)} if models is not None else {}),
        }
        arguments = ["-m", "xiaoer_server.cli", "serve", "--port", "0", "--data", str(data), "--config", str(config)]
        server = await asyncio.to_thread(Child, "server", arguments, 0, folder / "log", environ=environ)
        try:
            await asyncio.to_thread(_until, folder / "log", "are learned")
            for language, pairs in PAIRS.items():
                simulator.reply = [ANSWER[language]]
                simulator.drafts.clear()
                first = {question: await _ask(server.port, question) for question, _ in pairs}
                for kind, asked in (("paraphrase", pairs), ("trap", TRAPS[language])):
                    for question, other in asked:
                        again = await _ask(server.port, other)
                        by = _answered_by(data)
                        same = "yes" if again.source and again.source == first[question].source else "no"
                        rows.append((kind, question, other, by, same, f"{again.seconds * 1e3:.0f}"))
                        print(*rows[-1], sep="  ", flush=True)
        finally:
            await asyncio.to_thread(server.stop)
    return rows


def _until(log: Path, words: str) -> None:
    end = time.monotonic() + READY_SECONDS
    while words not in log.read_text("utf-8", "replace"):
        if time.monotonic() > end:
            raise SystemExit(f"not ready after {READY_SECONDS:.0f} s:\n{log.read_text()[-2000:]}")
        time.sleep(0.2)


def _report(rows: list[tuple[str, ...]]) -> str:
    hits = sum(row[0] == "paraphrase" and row[3] == "cache" for row in rows)
    wrong = sum(row[0] == "trap" and row[3] == "cache" for row in rows)
    asked = sum(row[0] == "paraphrase" for row in rows)
    same = sum(row[0] == "paraphrase" and row[4] == "yes" for row in rows)
    lines = [
        f"Of {asked} paraphrases the cache answered {hits}; {same} led to the same article as the question before. Of "
        f"{sum(row[0] == 'trap' for row in rows)} traps the cache answered {wrong}.",
        "",
        "| asked first | asked then | answered by | same article | ms to the first words |",
        "|---|---|---|---|---|",
        *(
            f"| {first} | {then}{' (a trap)' if kind == 'trap' else ''} | {by} | {found} | {ms} |"
            for kind, first, then, by, found, ms in rows
        ),
    ]
    return "\n".join(lines)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benches.meaning", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--models", type=Path, help="a folder that has the models already")
    parser.add_argument("--write", action="store_true", help="put the run into benches/cache/README.md")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = asyncio.run(_run(Path(folder), options.models))
        machine = [f"- {line}" for line in describe(Path(folder))]
    text = "\n".join([_report(rows), "", *machine])
    print(text)
    if options.write:
        readme = Path(__file__).parent / "cache" / "README.md"
        begin, end = "<!-- meaning: begin -->", "<!-- meaning: end -->"
        before, _, rest = readme.read_text("utf-8").partition(begin)
        readme.write_text(f"{before}{begin}\n{text}\n{end}{rest.partition(end)[2]}", "utf-8")


if __name__ == "__main__":
    main()
