"""What a dialogue does in a state: replies, webhooks, a look into the knowledge, a human."""

from __future__ import annotations

import hashlib
import json
import re

import msgspec

from .flow_model import Flow, State, Webhook
from .flow_run import Run
from .flow_text import filled
from .flow_webhooks import Calls, WebhookFailed, saved

_EVENT = re.compile(r"[a-z][a-z0-9_]{0,47}")


class Said(msgspec.Struct):
    """What came of a state's actions; `event` leads on where the state does not wait."""

    replies: list[str]
    event: str = "done"
    knowledge: bool = False
    hand_off: str | None = None


async def act(webhooks: Calls, tenant: str, flow: Flow, run: Run, state: State, language: str) -> Said:
    """Carry the actions of a state out, in order. A webhook that fails or a hand-off ends them."""
    said = Said([])
    for action in state.do:
        if action.reply is not None:
            said.replies.append(filled(action.reply, flow, run, language))
        elif action.knowledge:
            said.knowledge = True
        elif action.webhook is not None:
            said.event = await _call(webhooks, tenant, run, state, action.webhook, language)
            if said.event == "failed":
                break
        elif action.hand_off is not None:
            said.hand_off = action.hand_off
            break
        for name in action.clear:
            run.slots[name] = None
    return said


async def _call(webhooks: Calls, tenant: str, run: Run, state: State, hook: Webhook, language: str) -> str:
    """The event that the answer is: its own `event`, or `ok`; `failed` without an answer."""
    run.saved["failure"] = None
    for name in hook.save:
        run.saved[name] = None  # what an earlier call answered is no part of this one
    values = {name: run.slots.get(name, run.saved.get(name)) for name in hook.send}
    payload = {"tenant": tenant, "flow": run.flow, "language": language, **values}
    content = json.dumps([run.id, state.name, hook.url, payload], sort_keys=True, ensure_ascii=False)
    key = hashlib.sha256(content.encode()).hexdigest()[:40]
    try:
        answer = await webhooks.call(tenant, hook, payload, key=key)
    except WebhookFailed as error:
        run.saved["failure"] = error.kind
        return "failed"
    run.saved.update(saved(answer, hook.save))
    event = answer.get("event")
    return event if isinstance(event, str) and _EVENT.fullmatch(event) and event != "failed" else "ok"
