"""`xiaoer keys`, `usage` and `providers`, with a server on the folder and without.

Where it is not said otherwise the command runs inside the test; a process of its own takes a second to start.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from xiaoer_server import cli_shared
from xiaoer_server.cli import main
from xiaoer_server.ops.control import ask

ROOT = Path(__file__).parents[1]
SECRET = re.compile(r"xk-[A-Za-z0-9_-]{43}")
TODAY = datetime.now(UTC).strftime("%Y-%m-%d")


def xiaoer(
    data: Path, *arguments: str, code: int = 0, process: bool = False, **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run the command; it must end with `code`, and say why in one line where that is not 0."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("XIAOER_", "OPENAI_"))}
    clean |= {"XIAOER_BACKEND": os.environ.get("XIAOER_BACKEND", "native")} | environ
    run = in_a_process if process else in_this_one
    result = run([*arguments, "--data", str(data)], clean)
    assert result.returncode == code, result.stdout + result.stderr
    if code not in (0, 64):
        assert re.fullmatch(r"xiaoer: [^\n]+\n", result.stderr), result.stderr
        assert result.stdout == ""
    return result


def in_a_process(arguments: list[str], environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "xiaoer_server.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environ, timeout=30, check=False)


def in_this_one(arguments: list[str], environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.dict(os.environ, environ, clear=True),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            code = main(arguments)
        except SystemExit as ended:
            code = int(ended.code or 0)
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


def table(text: str) -> list[list[str]]:
    """The cells of a printed table, without the headers; no cell of these tests has two spaces inside."""
    return [re.split(r" {2,}", line.strip()) for line in text.splitlines()[1:]]


@contextlib.contextmanager
def keyholder(data: Path) -> Iterator[subprocess.Popen[str]]:
    """A server's part that the commands talk to."""
    command = [sys.executable, "-m", "support.keyholder", str(data)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                assert process.wait(10) == 0
        finally:
            process.kill()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture(params=["without a server", "with a server"])
def served(request: pytest.FixtureRequest, data: Path) -> Iterator[bool]:
    if request.param == "without a server":
        yield False
        return
    with keyholder(data):
        yield True


@pytest.mark.usefixtures("served")
def test_a_key_from_its_making_to_its_end(data: Path) -> None:
    made = xiaoer(
        data, "keys", "create", "--tenant", "demo", "--name", "前台 desk", "--model", "gpt-4.1", "--model", "qwen",
        "--requests-per-minute", "60", "--tokens-per-minute", "100000", "--streams", "5", "--budget", "12.50",
        "--expires", "2099-01-31", "--admin", process=True,
    )  # fmt: skip
    secret = made.stdout.removesuffix("\n")
    assert SECRET.fullmatch(secret), "the secret stands alone on standard output"
    assert secret not in made.stderr
    xiaoer(data, "keys", "create", "--name", "plain")

    listed = xiaoer(data, "keys", "list", process=True).stdout
    first, plain = table(listed)
    key = first[0]
    assert first[1:] == [
        secret[:7] + "…", "demo", "前台 desk", "active", "admin", "gpt-4.1,qwen", "60", "100000", "5", "12.5", TODAY,
        "-", "2099-01-31",
    ]  # fmt: skip
    assert plain[2:] == ["demo", "plain", "active", "-", "all", "-", "-", "-", "-", TODAY, "-", "-"]
    assert secret not in listed
    assert [row["name"] for row in json.loads(xiaoer(data, "keys", "list", "--json").stdout)] == ["前台 desk", "plain"]
    assert table(xiaoer(data, "keys", "list", "--tenant", "none").stdout) == []

    assert "is revoked" in xiaoer(data, "keys", "revoke", key, process=True).stdout
    assert "was revoked before" in xiaoer(data, "keys", "revoke", key).stdout
    assert [row[4] for row in table(xiaoer(data, "keys", "list").stdout)] == ["revoked", "active"]


@pytest.mark.usefixtures("served")
def test_json_for_scripts(data: Path) -> None:
    made = json.loads(xiaoer(data, "keys", "create", "--name", "a", "--json").stdout)
    assert SECRET.fullmatch(made["secret"])
    [listed] = json.loads(xiaoer(data, "keys", "list", "--json").stdout)
    assert listed == {name: value for name, value in made.items() if name != "secret"}
    revoked = json.loads(xiaoer(data, "keys", "revoke", made["id"], "--json").stdout)
    assert (revoked["revoked"], revoked["id"]) == (True, made["id"])


@pytest.mark.usefixtures("served")
def test_what_goes_wrong_is_one_line(data: Path) -> None:
    assert "no tenant 'none'" in xiaoer(data, "keys", "create", "--tenant", "none", "--name", "a", code=65).stderr
    xiaoer(data, "keys", "create", "--name", "a")
    assert "no key 'xyz'" in xiaoer(data, "keys", "revoke", "xyz", code=65, process=True).stderr
    assert "name: 'a\\nb' is not allowed" in xiaoer(data, "keys", "create", "--name", "a\nb", code=64).stderr


def test_no_secret_is_kept_or_logged(data: Path) -> None:
    with keyholder(data) as process:
        secret = xiaoer(data, "keys", "create", "--name", "a").stdout.strip()
        assert secret not in xiaoer(data, "keys", "create", "--name", "", code=64).stderr
        process.send_signal(signal.SIGTERM)
        process.wait(10)
        assert process.stdout is not None
        assert secret not in process.stdout.read()
        for path in data.rglob("*"):
            assert secret.encode() not in path.read_bytes()


def test_revocation_is_at_once_and_for_good(data: Path) -> None:
    secret = xiaoer(data, "keys", "create", "--name", "made without a server").stdout.strip()
    with keyholder(data) as process:
        assert ask(data, "find", secret=secret) is True
        [[key, *_]] = table(xiaoer(data, "keys", "list").stdout)
        xiaoer(data, "keys", "revoke", key)
        assert ask(data, "find", secret=secret) is False
        process.kill()
        process.wait()
        with keyholder(data):
            assert ask(data, "find", secret=secret) is False
            new = xiaoer(data, "keys", "create", "--name", "new").stdout.strip()
            assert ask(data, "find", secret=new) is True
    xiaoer(data, "keys", "revoke", json.loads(xiaoer(data, "keys", "list", "--json").stdout)[1]["id"])
    with keyholder(data):
        assert ask(data, "find", secret=new) is False


def test_usage(data: Path) -> None:
    with keyholder(data):
        secret = xiaoer(data, "keys", "create", "--name", "desk").stdout.strip()
        other = xiaoer(data, "keys", "create", "--name", "other").stdout.strip()
        for _ in range(3):
            ask(data, "call", secret=secret)
        ask(data, "call", secret=other)
        expected = [
            ["demo", f"desk ({secret[:7]}…)", "m", "sim", "3", "0", "0", "30", "60", "4.5"],
            ["demo", f"other ({other[:7]}…)", "m", "sim", "1", "0", "0", "10", "20", "1.5"],
            ["total", "4", "0", "0", "40", "80", "6"],
        ]
        assert table(xiaoer(data, "usage", process=True).stdout) == expected, "also what was not written yet"
        assert [row[11] for row in table(xiaoer(data, "keys", "list").stdout)] == [TODAY, TODAY]
    assert table(xiaoer(data, "usage").stdout) == expected, "a drain loses nothing"
    assert table(xiaoer(data, "usage", "--day", TODAY).stdout) == expected
    assert table(xiaoer(data, "usage", "--month", "2020-02").stdout) == []
    assert table(xiaoer(data, "usage", "--tenant", "none").stdout) == []
    rows = json.loads(xiaoer(data, "usage", "--json").stdout)
    assert [(row["key_name"], row["cost"]) for row in rows] == [(expected[0][1], 4.5), (expected[1][1], 1.5)]


def test_what_was_written_survives_a_kill(data: Path) -> None:
    with keyholder(data) as process:
        secret = xiaoer(data, "keys", "create", "--name", "desk").stdout.strip()
        for _ in range(5):
            ask(data, "call", secret=secret)
        with contextlib.closing(sqlite3.connect(data / "xiaoer.db")) as connection:
            end = time.monotonic() + 10
            while connection.execute("SELECT sum(requests) FROM usage").fetchone() != (5,):
                assert time.monotonic() < end
                time.sleep(0.02)
        process.kill()
        process.wait()
        rows = json.loads(xiaoer(data, "usage", "--json").stdout)
        assert [(row["requests"], row["prompt"], row["cost"]) for row in rows] == [(5, 50, 7.5)]


def test_providers_of_a_running_server(data: Path) -> None:
    pool = ["9", "5", "4", "3", "2", "11"]
    calls = ["120", "30", "4", "7"]
    with keyholder(data):
        assert table(xiaoer(data, "providers", "list", process=True).stdout) == [
            ["sim", "large", "open (12 s)", *calls, *pool],
            ["sim", "small", "closed", *calls],
            ["azure", *["-"] * 12],
        ]
        switched = table(xiaoer(data, "providers", "open", "sim").stdout)
        assert [row[2] for row in switched] == ["forced-open", "forced-open"]
        for action, state in (("close", "closed"), ("disable", "disabled"), ("reset", "closed")):
            xiaoer(data, "providers", action, "sim", "--model", "small")
            listed = table(xiaoer(data, "providers", "list").stdout)
            assert [row[2] for row in listed] == ["forced-open", state, "-"]
        answer = json.loads(xiaoer(data, "providers", "list", "--json").stdout)
        assert answer["running"] is True
        assert answer["providers"][0]["breakers"]["large"]["state"] == "forced_open"
        assert answer["providers"][1] == {"name": "azure", "pool": None, "breakers": {}}
        assert "there are: azure, sim" in xiaoer(data, "providers", "open", "none", code=65).stderr
        error = xiaoer(data, "providers", "open", "sim", "--model", "none", code=65).stderr
        assert "there are: large, small" in error
        assert "azure' does not serve a model" in xiaoer(data, "providers", "open", "azure", code=65).stderr


PROVIDERS = """
[providers.west]
base_url = "https://somebody:pass-word@west.example/v1?token=hidden-token"
api_key = "sk-hidden-key"
[providers.east]
base_url = "https://east.example/v1"
api_key_env = "EAST_KEY"
breaker = "metrics_only"
[providers.local]
base_url = "http://127.0.0.1:9/v1"
allow_private = true
connections_max = 7
[models.large]
targets = ["west/gpt", "east"]
[models.small]
targets = ["east/mini"]
"""
HIDDEN = ("hidden", "pass-word", "somebody", "east-secret", "sk-")


def test_providers_without_a_server(data: Path, tmp_path: Path) -> None:
    config = tmp_path / "x.toml"
    config.write_text(PROVIDERS)
    listed = xiaoer(data, "providers", "list", "--config", str(config), EAST_KEY="east-secret")
    assert "no server runs on" in listed.stderr
    assert table(listed.stdout) == [
        ["west", "https://west.example/v1", "set", "raw", "2000", "on", "large"],
        ["east", "https://east.example/v1", "set", "raw", "2000", "metrics-only", "large,small"],
        ["local", "http://127.0.0.1:9/v1", "not set", "raw", "7", "on", "-"],
    ]
    answer = xiaoer(data, "providers", "list", "--json", "--config", str(config), OPENAI_API_KEY="sk-x").stdout
    assert [each["key"] for each in json.loads(answer)["providers"]] == [True, True, False, False]
    assert not any(word in text for word in HIDDEN for text in (listed.stdout, listed.stderr, answer))
    for action in ("open", "close", "disable", "reset"):
        error = xiaoer(data, "providers", action, "west", "--config", str(config), code=69).stderr
        assert "breakers live in the running server" in error
    assert not data.exists()


def test_the_doctor_on_providers_and_keys(data: Path, tmp_path: Path) -> None:
    config = tmp_path / "x.toml"
    config.write_text(PROVIDERS)

    def said() -> str:
        return xiaoer(data, "doctor", "--port", "0", "--config", str(config), EAST_KEY="east-secret").stdout

    output = said()
    assert "ok    provider west at https://west.example/v1, key set" in output
    assert "ok    provider east at https://east.example/v1, key set" in output
    assert "hint  provider local at http://127.0.0.1:9/v1, key not set" in output
    assert "hint  provider local serves no model" in output
    assert not any(word in output for word in HIDDEN)
    assert "for /v1" not in output, "there is no database yet"

    xiaoer(data, "keys", "create", "--name", "a", "--json")
    gone = json.loads(xiaoer(data, "keys", "create", "--name", "b", "--json").stdout)
    xiaoer(data, "keys", "create", "--name", "c", "--expires", "1h")
    before = sorted((path.name, path.stat().st_mtime_ns) for path in data.iterdir())
    assert "ok    3 keys for /v1" in said()
    assert sorted((path.name, path.stat().st_mtime_ns) for path in data.iterdir()) == before, "it changes nothing"
    with keyholder(data):
        xiaoer(data, "keys", "revoke", gone["id"])
        assert "ok    2 keys for /v1" in said(), "also what is only in the log of the database"
    with contextlib.closing(sqlite3.connect(data / "xiaoer.db")) as connection:
        connection.execute("UPDATE api_keys SET expires_at = 1")
        connection.commit()
    assert "hint  0 keys for /v1" in said()


def test_a_folder_without_a_database(data: Path) -> None:
    for arguments in (("keys", "list"), ("keys", "revoke", "x"), ("usage",)):
        assert "has no database" in xiaoer(data, *arguments, code=66).stderr
    assert not data.exists()


def test_a_server_that_does_not_answer(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It holds the folder, but nothing listens: it starts, or is of an older version."""
    monkeypatch.setattr(cli_shared, "STARTING_SECONDS", 0.3)
    with keyholder(data) as process:
        (data / "control.sock").unlink()
        error = xiaoer(data, "keys", "list", code=75).stderr
        assert f"pid {process.pid}" in error
        assert "does not answer" in error


def test_a_server_that_is_just_starting(data: Path) -> None:
    """The folder is taken a moment before the socket is there."""
    with keyholder(data):
        (data / "control.sock").rename(data / "later.sock")

        def appear() -> None:
            time.sleep(1.0)
            (data / "later.sock").rename(data / "control.sock")

        thread = threading.Thread(target=appear)
        thread.start()
        assert table(xiaoer(data, "keys", "list").stdout) == []
        thread.join()


def test_a_damaged_database(data: Path) -> None:
    data.mkdir()
    (data / "xiaoer.db").write_bytes(b"x" * 5000)
    assert "cannot be opened" in xiaoer(data, "keys", "list", code=78).stderr


def test_a_folder_that_is_a_file(data: Path) -> None:
    data.touch()
    assert "File exists" in xiaoer(data, "keys", "create", "--name", "a", code=74).stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("keys",),
        ("keys", "drop"),
        ("keys", "create"),
        ("keys", "create", "--name", "a", "--streams", "-1"),
        ("keys", "create", "--name", "a", "--budget", "nan"),
        ("keys", "create", "--name", "a", "--budget", "-2"),
        ("keys", "create", "--name", "a", "--expires", "yesterday"),
        ("keys", "create", "--name", "a", "--expires", "2020-01-01"),
        ("keys", "create", "--name", "a", "--requests-per-minute", "9999999999"),
        ("usage", "--month", "2026-13"),
        ("usage", "--month", "2026-11", "--day", "2026-11-02"),
        ("providers", "explode", "sim"),
    ],
)
def test_wrong_usage_is_64(data: Path, arguments: tuple[str, ...]) -> None:
    result = xiaoer(data, *arguments, code=64)
    assert result.stderr.splitlines()[-1].startswith("xiaoer")
    assert "Traceback" not in result.stderr


def test_which_tenant_is_asked_for_where_there_are_several(data: Path, tmp_path: Path) -> None:
    config = tmp_path / "x.toml"
    config.write_text('[tenants.one]\nname = "One"\n[tenants.two]\n')
    error = xiaoer(data, "keys", "create", "--name", "a", "--config", str(config), code=64).stderr
    assert "--tenant: one of one, two is needed" in error
    xiaoer(data, "keys", "create", "--tenant", "two", "--name", "a", "--config", str(config))
    assert [row[2] for row in table(xiaoer(data, "keys", "list").stdout)] == ["two"]


def test_what_is_stored_does_not_steer_the_terminal(data: Path) -> None:
    xiaoer(data, "keys", "create", "--name", "a")
    with contextlib.closing(sqlite3.connect(data / "xiaoer.db")) as connection:
        connection.execute("UPDATE api_keys SET name = ?", ("\x1b[2J",))
        connection.commit()
    assert table(xiaoer(data, "keys", "list").stdout)[0][3] == "?[2J"


def test_a_path_too_long_for_a_socket(tmp_path: Path) -> None:
    data = tmp_path / ("d" * 120) / "data"
    with keyholder(data):
        with pytest.raises(OSError, match="too long"), socket.socket(socket.AF_UNIX) as plain:
            plain.connect(str(data / "control.sock"))
        secret = xiaoer(data, "keys", "create", "--name", "a").stdout.strip()
        assert ask(data, "find", secret=secret) is True


def test_commands_check_what_the_socket_brings(data: Path) -> None:
    def refused(command: str, **arguments: Any) -> str:
        with pytest.raises(Exception, match=r".") as caught:
            ask(data, command, **arguments)
        return str(caught.value)

    with keyholder(data):
        assert "missing required field `name`" in refused("keys.create", tenant="demo")
        assert "unknown field" in refused("keys.create", tenant="demo", name="a", superuser=True)
        assert "Expected `int`" in refused("keys.create", tenant="demo", name="a", streams="5")
        assert "Invalid enum value" in refused("providers.switch", name="sim", to="explode")
        assert "unknown field" in refused("providers.list", x=1)
        first = ask(data, "keys.create", tenant="demo", name="a")
        ask(data, "keys.create", tenant="demo", name="b")
        assert "fits 2 keys" in refused("keys.revoke", key=first["id"][:6])
        assert "no key 'a'" in refused("keys.revoke", key="a")
