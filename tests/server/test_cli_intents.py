"""`xiaoer intents`, on the store and through a running server."""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path

import pytest

from support.words_encoder import WordsInfer, train_here
from xiaoer_server import cli_intents
from xiaoer_server.brain.intent_commands import commands
from xiaoer_server.brain.intents import Intents
from xiaoer_server.cli_shared import EX_DATAERR, EX_NOINPUT, EX_UNAVAILABLE, EX_USAGE, CommandFailed
from xiaoer_server.config import load
from xiaoer_server.ops.control import Control
from xiaoer_server.store.engine import Store
from xiaoer_server.store.tenants import Tenants

FILE = """
[refund]
refund my money
money back refund
I want a refund
refund refund please
[parcel]
where is my parcel
parcel where
my parcel is late
the parcel please
[coupon]
coupon code
use a coupon
coupon expired coupon
which coupon
"""


def intents(data: Path, *arguments: str) -> int:
    parser = argparse.ArgumentParser()
    cli_intents.add(parser.add_subparsers(dest="command"))
    options = parser.parse_args(["intents", *arguments])
    return cli_intents.run(options, load(None, {}, {"server.data": str(data)}))


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    async def make() -> None:
        store = await Store.open(tmp_path / "data")
        await Tenants(store).ensure("demo", name="Demo")
        await store.close()

    asyncio.run(make())
    monkeypatch.setattr("xiaoer_server.infer.local.LocalInfer", lambda folder: WordsInfer())
    monkeypatch.setattr("xiaoer_server.infer.train_process.run", train_here)
    return tmp_path / "data"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "shop.txt"
    path.write_text(FILE)
    return path


def test_from_a_file_to_a_version_and_back(data: Path, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def said(*arguments: str) -> str:
        assert intents(data, *arguments) == 0
        return capsys.readouterr().out

    assert "12 examples of 3 intents" in said("import", str(file))
    assert [line.split() for line in said("list").splitlines()[1:]] == [
        ["coupon", "4"],
        ["parcel", "4"],
        ["refund", "4"],
    ]
    assert said("train").startswith("version 1: 3 intents, 12 examples, ")
    answer = json.loads(said("try", "--json", "where is my parcel"))
    assert (answer["version"], answer["alternatives"][0][0] in {"refund", "coupon"}) == ("1", True)
    said("train")
    assert [line.split()[:2] for line in said("versions").splitlines()[1:]] == [["1", "3"], ["2", "*"]]
    assert said("rollback", "1") == "version 1 is in use\n"
    assert json.loads(said("versions", "--json"))[0]["in_use"] is True
    folder = file.parent / "report"
    assert "accuracy 100.00%" in said("eval", str(file), "--output", str(folder))
    assert (folder / "confusion.svg").read_text().startswith("<svg ")
    assert json.loads((folder / "report.json").read_text())["accuracy"] == 1.0
    assert "| parcel | 4 | 100.0% | 100.0% |" in (folder / "report.md").read_text()


def test_the_shops_own_set_is_a_file_too(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    intents(data, "import", "demo")
    assert "2160 examples of 27 intents" in capsys.readouterr().out


def test_what_goes_wrong_is_one_clear_line(data: Path, file: Path, tmp_path: Path) -> None:
    def fails(folder: Path, *arguments: str) -> tuple[str, int]:
        with pytest.raises(CommandFailed) as caught:
            intents(folder, *arguments)
        return str(caught.value), caught.value.code

    assert fails(tmp_path / "none", "list") == (
        f"data folder {tmp_path / 'none'}: has no database; choose another with --data",
        EX_NOINPUT,
    )
    assert fails(data, "train")[1] == EX_DATAERR
    assert "nothing is trained" in fails(data, "try", "x")[0]
    assert fails(data, "rollback", "7") == ("There is no version 7.", EX_DATAERR)
    file.write_text("[a]\nx\n[b]\nX\n")
    assert fails(data, "import", str(file)) == (
        "shop.txt: line 4: 'X' is an example of a already, on line 2",
        EX_DATAERR,
    )


def test_without_a_model_it_says_how_to_get_one(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    with pytest.raises(CommandFailed, match="get one with `xiaoer models pull e5-small`") as caught:
        intents(data, "train")
    assert caught.value.code == EX_UNAVAILABLE


def test_of_several_tenants_one_must_be_named(data: Path, tmp_path: Path) -> None:
    config = tmp_path / "x.toml"
    config.write_text("[tenants.a]\n[tenants.b]\n")
    parser = argparse.ArgumentParser()
    cli_intents.add(parser.add_subparsers(dest="command"))
    with pytest.raises(CommandFailed, match="one of a, b") as caught:
        cli_intents.run(parser.parse_args(["intents", "list"]), load(config, {}, {}))
    assert caught.value.code == EX_USAGE


async def test_a_running_server_does_it(data: Path, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = await Store.open(data)
    running = Intents(store, WordsInfer())
    control = Control(data, commands(running))
    await control.start()
    try:
        for arguments in (["import", str(file)], ["train"], ["versions"]):
            assert await asyncio.to_thread(intents, data, *arguments) == 0
        assert "version 1: 3 intents" in capsys.readouterr().out
        found = await running.recognise("demo", "where is my parcel")
        assert found is not None
        assert found.version == "1", "it is in use at once"
    finally:
        await control.close()
        await store.close()
