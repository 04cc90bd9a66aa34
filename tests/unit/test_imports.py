"""Imports point one way: edge → chat → brain → infer → llm → store."""

from __future__ import annotations

import re
from pathlib import Path

import xiaoer_server

LAYERS = ["edge", "chat", "brain", "infer", "llm", "store"]
IMPORT = re.compile(r"^\s*from \.\.(\w+)", re.MULTILINE)


def test_nothing_imports_upward() -> None:
    root = Path(xiaoer_server.__file__).parent
    seen = 0
    for rank, layer in enumerate(LAYERS):
        for file in (root / layer).glob("*.py"):
            for name in IMPORT.findall(file.read_text("utf-8")):
                if name in LAYERS:
                    seen += 1
                    assert LAYERS.index(name) >= rank, f"{layer}/{file.name} imports {name}"
    assert seen > 20
