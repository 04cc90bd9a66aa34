"""Calls that must fail: what an error path leaves behind is measured like any other."""

from collections.abc import Callable


class Planned(Exception):
    """What the callbacks of these tests raise."""


def refuses(
    error: type[BaseException] | tuple[type[BaseException], ...],
    call: Callable[..., object],
    *arguments: object,
    **options: object,
) -> None:
    """Calls and swallows the error that must come. Raises AssertionError if none comes."""
    try:
        call(*arguments, **options)
    except error:
        return
    raise AssertionError(f"{call} took {arguments!r} {options!r}")


class OddString(str):
    """A `str` whose hash and comparison fail."""

    __slots__ = ()

    def __hash__(self) -> int:
        raise Planned

    def __eq__(self, other: object) -> bool:
        raise Planned


class OddIndex:
    """A number that can't be told."""

    def __index__(self) -> int:
        raise Planned
