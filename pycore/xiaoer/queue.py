"""A priority queue for the tasks of one event loop: levels, fair between tenants, with ageing and cancelling."""

from typing import TYPE_CHECKING

from xiaoer._backend import load
from xiaoer.pure.queue import LevelStats

# Re-exported as they are: a wrapper would cost a frame a call. The docstrings are on the classes.
if TYPE_CHECKING or load("xiaoer._queue") is not None:
    from xiaoer._queue import PriorityQueue, Ticket
else:
    from xiaoer.pure.queue import PriorityQueue, Ticket

__all__ = ["LevelStats", "PriorityQueue", "Ticket"]
