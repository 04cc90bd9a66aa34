"""Several tenants in one process: own words, own knowledge, own visitors."""

from __future__ import annotations

import urllib.error
from pathlib import Path

import pytest

from support.process import WIDE_LIMITS, XiaoerProcess, running, visit


async def test_each_tenant_has_its_own_words_and_knowledge(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("lemon\nblock\t1\t\tpoison\n", "utf-8")
    toml = (
        WIDE_LIMITS + "[answer]\nburst_ms = 50\n[tenants.zoo]\n"
        f"name = 'Zoo'\nwords_file = '{tmp_path / 'words.txt'}'\n[tenants.demo]\ndemo = true\n"
    )
    with running(tmp_path / "data", toml=toml) as server:
        first = server.session()
        async with visit(server, first["token"]) as visitor:
            seq = await visitor.say("How long does delivery take? lemon 加微信", "1")
            assert (await visitor.until("message", seq=seq))["text"] == "How long does delivery take? ***** 加微信"
            text, done = await visitor.answer()
            assert "human" in text, "the first tenant of the settings has no articles, and the other's are not its own"
            assert "sources" not in done
            seq = await visitor.say("poison", "2")
            notice = await visitor.until("message", role="system")
            assert "can't handle" in notice["text"]
        async with visit(server, server.session(tenant="demo")["token"]) as visitor:
            await visitor.say("How long does delivery take?", "1")
            _, done = await visitor.answer()
            assert done["sources"]
            await visitor.say("lemon", "2")
            await visitor.answer()
            assert not any(frame["type"] == "message" for frame in visitor.frames), "lemon is no word of this tenant"
        with pytest.raises(urllib.error.HTTPError) as refused:
            server.session(tenant="nobody")
        with refused.value:
            assert refused.value.code == 404


def test_a_bad_word_list_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("hide\t1\t\tword\n", "utf-8")
    server = XiaoerProcess(tmp_path / "data", toml=f"[tenants.zoo]\nwords_file = '{tmp_path / 'words.txt'}'\n")
    with pytest.raises(RuntimeError, match=r"ended with 78:\nxiaoer: .*words\.txt, line 1: expected a word"):
        server.start()
