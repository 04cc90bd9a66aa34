"""Appends as fast as it can until it is killed; run by test_kill.py.

    appender.py DATA ROUND CONVERSATION...

Writes `conversation client_id seq` to stdout for each ack, before it appends anything more.
"""

import asyncio
import os
import sys
from functools import partial
from pathlib import Path

from xiaoer_server.chat.conversation import Conversation
from xiaoer_server.chat.log import ConversationLog
from xiaoer_server.errors import ServerError
from xiaoer_server.store.engine import Store


def ack(conversation: str, client_id: str, seq: int, error: ServerError | None) -> None:
    assert error is None
    os.write(1, f"{conversation} {client_id} {seq}\n".encode())


async def answer(log: ConversationLog, conversation: Conversation) -> None:
    """Answer without an end, to be cut short."""
    live = await log.begin_answer(conversation, "model:x")
    while True:
        live.append("token ")
        await asyncio.sleep(0.001)


async def main(data: str, round_: str, ids: list[str]) -> None:
    log = ConversationLog(await Store.open(Path(data)))
    await log.recover()
    conversations = [await log.open("demo", conversation) for conversation in ids]
    answers = [asyncio.create_task(answer(log, conversation)) for conversation in conversations]
    number = 0
    while answers:
        for conversation in conversations:
            number += 1
            client_id = f"{round_}-{number}"
            log.append(
                conversation,
                "visitor",
                f"text of {client_id}",
                partial(ack, conversation.id, client_id),
                client_id=client_id,
            )
        await asyncio.sleep(0.0005)


asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
