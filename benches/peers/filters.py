"""All filters of this process: ours, and beside the native one the peers."""

from collections.abc import Sequence
from functools import lru_cache
from itertools import chain

from benches.peers import ahocorasick_rs, daachorse, hyperscan, matcher_py, ours_filter, pyahocorasick
from benches.peers.filter import Filter, Scanner
from benches.run import this_run

_PEERS = (matcher_py, ahocorasick_rs, daachorse, pyahocorasick, hyperscan)

FILTERS: tuple[Filter, ...] = (
    *ours_filter.FILTERS,
    *(chain.from_iterable(peer.FILTERS or () for peer in _PEERS) if this_run() == "native" else ()),
)


@lru_cache(maxsize=len(FILTERS))
def built(implementation: Filter, words: Sequence[str]) -> Scanner:
    """Built once for all cases of one list; benches run list by list."""
    return implementation.build(words)
