"""The shop's own intents, in Chinese and English: what a new tenant may begin with."""

from __future__ import annotations

from pathlib import Path

#: One file, both languages, in the plain format of `brain.intent_examples`.
FILE = Path(__file__).with_name("intents.txt")
