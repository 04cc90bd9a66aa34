"""What an examination by `xiaoer doctor` finds."""

from __future__ import annotations

import msgspec


class Finding(msgspec.Struct, frozen=True):
    """One line of the examination. A finding that is not `ok` and not `hint` keeps the server from working."""

    ok: bool
    what: str
    advice: str = ""
    hint: bool = False
