"""The cache across a restart, as the server opens it, and its commands."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from support.meaning import ask
from xiaoer_server import cli_cache
from xiaoer_server.brain.cache_file import NAME
from xiaoer_server.cache_path import FOLDER, CachePath
from xiaoer_server.cli_shared import CommandFailed
from xiaoer_server.config import CacheSettings, ServerSettings, Settings
from xiaoer_server.ops.control import Control
from xiaoer_server.store.engine import Store
from xiaoer_server.store.tenants import Tenants

QUESTION, OTHER = "你们的茶叶怎么退货", "你们的茶叶怎么保存"


async def test_across_a_restart(tmp_path: Path) -> None:
    store = await Store.open(tmp_path)
    await Tenants(store).ensure("demo", name="demo")
    first = await CachePath.open(CacheSettings(save_seconds=0.05), None, store, tmp_path, {"demo": 1})
    await first.cache.offer(ask(QUESTION), "七天内。", None, {"returns"})
    await first.cache.offer(ask(OTHER), "阴凉处。", None, {"care"})
    for _ in range(100):
        if (tmp_path / FOLDER / NAME).exists():
            break
        await asyncio.sleep(0.05)
    await first.cache.dislike("demo", OTHER)
    # As after a crash: the file still has what was disliked, the store knows better.
    again = await CachePath.open(CacheSettings(), None, store, tmp_path, {"demo": 1})
    assert again.cache.exact(ask(QUESTION)) is not None
    assert again.cache.exact(ask(OTHER)) is None
    await first.close()
    await again.close()
    edited = await CachePath.open(CacheSettings(), None, store, tmp_path, {"demo": 2})
    assert len(edited.cache) == 0
    off = await CachePath.open(CacheSettings(enabled=False), None, store, tmp_path, {"demo": 1})
    assert not await off.cache.offer(ask(QUESTION), "七天内。")
    await edited.close()
    await off.close()
    await store.close()


async def test_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = await Store.open(tmp_path)
    await Tenants(store).ensure("demo", name="demo")
    path = await CachePath.open(CacheSettings(), None, store, tmp_path, {"demo": 1})
    await path.cache.offer(ask(QUESTION), "七天内。")
    await path.cache.offer(ask(QUESTION, tenant="other"), "七天内。")
    path.cache.exact(ask(QUESTION))
    control = Control(tmp_path, path.commands())
    await control.start()
    settings = Settings(server=ServerSettings(data=str(tmp_path)))
    assert await asyncio.to_thread(run, settings, "stats") == 0
    assert "1 exact, 0 by meaning" in capsys.readouterr().out
    assert await asyncio.to_thread(run, settings, "clear", "--tenant", "other") == 0
    assert "1 answers are forgotten" in capsys.readouterr().out
    assert path.cache.exact(ask(QUESTION)) is not None
    await control.close()
    await path.close()
    await store.close()
    with pytest.raises(CommandFailed, match="no server runs"):
        run(settings, "stats")
    assert run(settings, "clear") == 0
    assert not (tmp_path / FOLDER / NAME).exists()


def test_eval_says_what_is_missing(tmp_path: Path) -> None:
    settings = Settings(server=ServerSettings(data=str(tmp_path)))
    with pytest.raises(CommandFailed, match="cannot be read"):
        run(settings, "eval", str(tmp_path / "none.tsv"))
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text("怎么退货\t如何退货\t1\n", "utf-8")
    with pytest.raises(CommandFailed, match="no model is there"):
        run(settings, "eval", str(pairs))


def run(settings: Settings, *arguments: str) -> int:
    import argparse

    parser = argparse.ArgumentParser()
    cli_cache.add(parser.add_subparsers(dest="command"))
    return cli_cache.run(parser.parse_args(["cache", *arguments]), settings)
