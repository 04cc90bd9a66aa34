"""A process that dies in mid-append: what it acked is there, once, in order."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from xiaoer_server.chat.log import ConversationLog
from xiaoer_server.store.engine import Store
from xiaoer_server.store.tenants import Tenants
from xiaoer_server.store.visitors import Visitors

ROUNDS = 10


def append_and_kill(data: Path, round_: int, ids: list[str]) -> list[str]:
    """Run the appender and kill it at a random moment after its first ack; returns its acks."""
    command = [sys.executable, str(Path(__file__).with_name("appender.py")), str(data), str(round_), *ids]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        first = os.read(process.stdout.fileno(), 64)
        assert first, "the appender ended by itself"
        time.sleep(random.uniform(0, 0.1))
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read()
    # The kill may have come in the middle of a line.
    return (first + rest).decode().split("\n")[:-1]


async def test_what_was_acked_is_there_once_in_order(tmp_path: Path) -> None:
    store = await Store.open(tmp_path)
    await Tenants(store).ensure("demo", name="Demo")
    ids = [(await Visitors(store).create("demo"))[1] for _ in range(5)]
    await store.close()
    acked: dict[tuple[str, int], str] = {}
    for round_ in range(ROUNDS):
        for line in append_and_kill(tmp_path, round_, ids):
            conversation, client_id, seq = line.split()
            acked[conversation, int(seq)] = client_id

        store = await Store.open(tmp_path)
        log = ConversationLog(store)
        await log.recover()
        for conversation in ids:
            read = await log.range("demo", conversation, after=0, limit=1_000_000)
            assert [entry.seq for entry in read] == list(range(1, len(read) + 1))
            stored = {entry.seq: entry.client_id for entry in read}
            missing = {
                seq: client_id
                for (of, seq), client_id in acked.items()
                if of == conversation and stored.get(seq) != client_id
            }
            assert not missing
            ours = [entry for entry in read if entry.role == "visitor"]
            sent = [tuple(map(int, (entry.client_id or "").split("-"))) for entry in ours]
            assert sent == sorted(set(sent))
            assert all(entry.text == f"text of {entry.client_id}" for entry in ours)
            cut = [entry for entry in read if entry.role == "assistant"]
            assert all((entry.status, entry.finish_reason) == ("interrupted", "restart") for entry in cut)
        await store.close()
    assert len(acked) > 10 * ROUNDS
