"""The libraries that ours are measured against: one adapter each, all of a shape.

A peer that is not installed here is left out, and `LEFT_OUT` says so in the results.
"""

import importlib
from types import ModuleType
from typing import Final, NamedTuple


class Package(NamedTuple):
    """What a reader of the results wants to know of a peer."""

    licence: str
    lacks: str


PACKAGES: Final[dict[str, Package]] = {}
"""Of each distribution that an adapter uses, in the order they were asked for."""

LEFT_OUT: Final[dict[str, str]] = {}
"""Distribution → why it is not in the results."""


def need(package: str, module: str, *, licence: str, lacks: str) -> ModuleType | None:
    """The peer's module, or None if it can't be imported, which is noted."""
    PACKAGES[package] = Package(licence, lacks)
    try:
        return importlib.import_module(module)
    except ImportError as error:
        LEFT_OUT[package] = str(error)
        return None
