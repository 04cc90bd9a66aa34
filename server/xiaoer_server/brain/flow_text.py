"""Texts of a flow with the values of a dialogue in them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from .flow_checks import PLACEHOLDER
from .flow_model import Flow
from .flow_run import Run
from .flow_slots import shown

_MARKUP = re.compile(r"([\\`*_\[\]<>#|!])")


def filled(texts: Mapping[str, str], flow: Flow, run: Run, language: str) -> str:
    """The text in a language, or in the flow's first one; values are plain text in it, whatever they hold."""
    text = texts.get(language) or next(iter(texts.values()), "")

    def value(match: re.Match[str]) -> str:
        name = match[1]
        known = run.slots.get(name)
        held = known if known is not None else run.saved.get(name)
        said = shown(flow.slots.get(name), held, language)
        return _MARKUP.sub(r"\\\1", " ".join(said.split()))

    return PLACEHOLDER.sub(value, text)
