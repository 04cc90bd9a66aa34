"""The fuzz targets see what is wrong, and what is planted for the sanitizers is in nothing that is released."""

import importlib
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from fuzz.python import mutated

SEEDS = Path(__file__).parents[2] / "native/fuzz/seeds"


@pytest.mark.parametrize("name", ["xiaoer_native", "xiaoer._queue", "xiaoer._sse"])
@pytest.mark.usefixtures("native_xiaoer")
def test_no_bug_is_planted_in_a_release(name: str) -> None:
    module = importlib.import_module(name)
    assert not [member for member in dir(module) if "planted" in member]
    # What maturin installs is a package around its module.
    file = Path(str(module.__file__))
    binaries = [file] if file.suffix != ".py" else [*file.parent.glob("*.so")]
    assert binaries
    for binary in binaries:
        assert b"planted" not in binary.read_bytes()


# Of each target one thing that goes wrong on the way.
WRONG: list[tuple[str, str, Callable[..., object]]] = [
    ("queue", "xiaoer.pure.queue.PriorityQueue._promote", lambda self, now: None),
    ("sse", "xiaoer.pure.sse.SSEDecoder._past_bom", lambda self, data: data),
    ("sse", "xiaoer.pure.sse.encode_sse", lambda data, event, id_: b"data: x\n\n"),
    ("changes", "xiaoer.filter.WordFilter.remove", lambda self, words: None),
    ("saved", "xiaoer.filter.read_saved", lambda path: path.read_bytes().index(b"XIAOERWF")),
    ("filter", "support.filter_oracle.Oracle._is_latin", lambda self, key: False),
    ("chunker", "xiaoer.pure.chunker.Chunker._next_start", lambda self, text, places, start, cut: cut),
]


@pytest.mark.usefixtures("native_xiaoer")
@pytest.mark.parametrize(("name", "place", "wrong"), WRONG)
def test_a_target_sees_what_is_wrong(
    monkeypatch: pytest.MonkeyPatch, name: str, place: str, wrong: Callable[..., object]
) -> None:
    target = importlib.import_module(f"fuzz.{name}_target")
    seeds = [path.read_bytes() for path in sorted((SEEDS / name).iterdir())]
    for seed in seeds:
        target.run(seed)
    monkeypatch.setattr(place, wrong)
    random = Random(1)
    with pytest.raises(Exception):  # noqa: B017, PT011 - whatever it is, it must be seen
        for _ in range(5_000):
            target.run(mutated(random, seeds))
