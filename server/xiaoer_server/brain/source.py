"""Where an answer comes from."""

from __future__ import annotations

import msgspec


class Source(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """An article's title and the path it is read at."""

    title: str
    url: str
