"""The control socket: who may talk to it, what it says, and what a killed server leaves."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from xiaoer_server.errors import BadRequest
from xiaoer_server.ops import control as control_module
from xiaoer_server.ops.control import Control, ControlError, NotRunning, Refused, ask

ROOT = Path(__file__).parents[1]


async def echo(arguments: dict[str, Any]) -> Any:
    return arguments


async def refuse(_: dict[str, Any]) -> Any:
    raise BadRequest("Not like this.", code="odd")


async def fail(_: dict[str, Any]) -> Any:
    raise ZeroDivisionError("inner matters")


COMMANDS = {"echo": echo, "refuse": refuse, "fail": fail}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture
async def control(data: Path) -> AsyncIterator[Control]:
    control = Control(data, COMMANDS)
    await control.start()
    yield control
    await control.close()


async def asked(data: Path, command: str, **arguments: Any) -> Any:
    return await asyncio.to_thread(ask, data, command, **arguments)


async def raw(data: Path, sent: bytes) -> bytes:
    reader, writer = await asyncio.open_unix_connection(str(data / "control.sock"))
    writer.write(sent)
    with contextlib.suppress(ConnectionError):
        await writer.drain()
    try:
        return await asyncio.wait_for(reader.read(), 10)
    except ConnectionResetError:
        return b""  # the server ended it before it had read everything
    finally:
        writer.close()


@pytest.mark.usefixtures("control")
async def test_a_question_and_its_answer(data: Path) -> None:
    assert await asked(data, "echo", name="前台 \n", number=1.5, none=None) == {
        "name": "前台 \n",
        "number": 1.5,
        "none": None,
    }
    large = "x" * 60_000
    assert await asked(data, "echo", large=large) == {"large": large}
    assert await asyncio.gather(*(asked(data, "echo", n=n) for n in range(40))) == [{"n": n} for n in range(40)]


@pytest.mark.usefixtures("control")
async def test_refusals(data: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(Refused, match=r"^Not like this\.$") as caught:
        await asked(data, "refuse")
    assert (caught.value.code, caught.value.status) == ("odd", 400)
    with pytest.raises(Refused, match="does not know this command"):
        await asked(data, "none")
    with pytest.raises(Refused, match="log says why") as caught:
        await asked(data, "fail")
    assert "inner matters" not in str(caught.value)
    assert "inner matters" in caplog.text


@pytest.mark.usefixtures("control")
@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"\n", "bad_request"),
        (b"{}\n", "bad_request"),
        (b"[1]\n", "bad_request"),
        (b'{"command": 3}\n', "bad_request"),
        (b'{"command": "echo", "arguments": []}\n', "bad_request"),
        (b"\xff\xfe\n", "bad_request"),
        (b"[" * 50_000 + b"\n", "bad_request"),
    ],
)
async def test_what_is_no_request(data: Path, sent: bytes, code: str) -> None:
    assert json.loads(await raw(data, sent))["error"]["code"] == code
    assert await asked(data, "echo", x=1) == {"x": 1}


@pytest.mark.usefixtures("control")
@pytest.mark.parametrize("sent", [b'{"command": "' + b"x" * 200_000 + b'"}\n', b"x" * 200_000])
async def test_a_request_that_is_too_long(data: Path, sent: bytes) -> None:
    answer = await raw(data, sent)
    assert answer == b"" or json.loads(answer)["error"]["code"] == "too_long"
    assert await asked(data, "echo", x=1) == {"x": 1}


async def test_who_says_nothing_is_let_go(data: Path, control: Control, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_module, "REQUEST_SECONDS", 0.05)
    assert await raw(data, b'{"command": "echo"') == b""
    assert not control._answering


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
async def test_only_its_owner_may_connect(data: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        control = Control(data, COMMANDS)
        await control.start()
    finally:
        os.umask(before)
    found = (data / "control.sock").stat()
    assert stat.S_ISSOCK(found.st_mode)
    assert stat.S_IMODE(found.st_mode) == 0o600
    await control.close()


async def test_the_mode_is_right_before_anybody_could_connect(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "chmod", lambda *_, **__: None)
    before = os.umask(0)
    try:
        control = Control(data, COMMANDS)
        await control.start()
    finally:
        os.umask(before)
    assert stat.S_IMODE((data / "control.sock").stat().st_mode) == 0o600
    await control.close()


@pytest.mark.usefixtures("control")
async def test_another_user_gets_no_answer(
    data: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(control_module, "_peer", lambda connection: 4711)
    assert await raw(data, b'{"command": "echo"}\n') == b""
    assert "user 4711 may not use control.sock" in caplog.text


@pytest.mark.usefixtures("control")
async def test_root_gets_one(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_module, "_peer", lambda connection: 0)
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    assert await raw(data, b'{"command": "echo"}\n') == b'{"result":{}}\n'


async def test_a_real_other_user(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    data = tmp_path / "open"
    data.mkdir()
    for folder in (data, *data.parents):
        if folder.is_relative_to(tmp_path.parents[1]):
            folder.chmod(0o755)
    control = Control(data, COMMANDS)
    await control.start()
    (data / "control.sock").chmod(0o666)  # so that the mode does not already keep him out
    code = (
        "import os, socket, sys; os.setgid(65534); os.setuid(65534)\n"
        "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n"
        's.sendall(b\'{"command": "echo"}\\n\'); print(s.recv(100))'
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code, str(data / "control.sock")),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output = (await process.communicate())[0].decode()
    await control.close()
    assert output == "b''\n" or "ConnectionResetError" in output or "BrokenPipeError" in output, output


@pytest.mark.usefixtures("control")
async def test_a_socket_of_somebody_else_is_not_asked(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_module, "_peer", lambda connection: 4711)
    with pytest.raises(ControlError, match="served by user 4711"):
        await asked(data, "echo")


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777])
async def test_a_folder_that_others_may_write_is_refused(data: Path, mode: int) -> None:
    data.chmod(mode)
    with pytest.raises(ControlError, match="others may write"):
        await Control(data, COMMANDS).start()
    assert not (data / "control.sock").exists()


async def test_no_server(tmp_path: Path, data: Path) -> None:
    for folder in (data, tmp_path / "none", tmp_path / ("long" * 60), tmp_path / "x" / ("y" * 200)):
        with pytest.raises(NotRunning, match="no server runs on"):
            ask(folder, "echo")


async def test_the_socket_goes_with_the_server(data: Path) -> None:
    control = Control(data, COMMANDS)
    await control.close()
    await control.start()
    assert [path.name for path in data.iterdir()] == ["control.sock"]
    await control.close()
    await control.close()
    assert list(data.iterdir()) == []
    with pytest.raises(NotRunning):
        ask(data, "echo")
    await control.start()
    assert await asked(data, "echo") == {}
    await control.close()


async def test_two_servers_do_not_share_it(data: Path, control: Control) -> None:
    with pytest.raises(ControlError, match="another server answers"):
        await Control(data, COMMANDS).start()
    assert await asked(data, "echo", x=1) == {"x": 1}


async def test_a_stale_socket_is_replaced(data: Path) -> None:
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(data / "control.sock"))
    with pytest.raises(NotRunning):
        ask(data, "echo")
    control = Control(data, COMMANDS)
    await control.start()
    assert await asked(data, "echo", x=1) == {"x": 1}
    await control.close()


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
async def test_what_is_no_socket_is_left_alone(data: Path, tmp_path: Path, kind: str) -> None:
    path = data / "control.sock"
    {"file": path.touch, "folder": path.mkdir, "link": lambda: path.symlink_to(tmp_path / "elsewhere")}[kind]()
    with pytest.raises(ControlError, match="is not a socket; remove it"):
        await Control(data, COMMANDS).start()
    assert os.path.lexists(path)


@pytest.mark.parametrize("length", [80, 103, 104, 107, 108, 109, 250, 1000])
async def test_paths_of_any_length(length: int, tmp_path: Path, data: Path) -> None:
    folder = tmp_path
    while (missing := length - len(str(folder / "control.sock"))) > 1:
        folder /= "d" * min(missing - 1, 200)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    control = Control(folder, COMMANDS)
    await control.start()
    assert await asked(folder, "echo", x=1) == {"x": 1}
    with pytest.raises(ControlError, match="another server"):
        await Control(folder, COMMANDS).start()
    await control.close()
    assert not (folder / "control.sock").exists()


async def test_nothing_stays_open(data: Path) -> None:
    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    control = Control(data, COMMANDS)
    await control.start()
    await asked(data, "echo")
    await control.close()
    before = descriptors()
    for _ in range(5):
        await control.start()
        await asked(data, "echo")
        with pytest.raises(ControlError):
            await Control(data, COMMANDS).start()
        await control.close()
        with pytest.raises(NotRunning):
            ask(data, "echo")
    await asyncio.sleep(0.05)
    assert descriptors() <= before


@contextlib.contextmanager
def answering(data: Path, answer: Callable[[socket.socket], None]) -> Iterator[None]:
    """Another program on the socket."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(data / "control.sock"))
        listening.listen()

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65_536)
                answer(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        yield
        thread.join()


@pytest.mark.parametrize("answer", [b"", b"{", b"nonsense\n", b"[]\n"])
def test_half_an_answer_is_none(data: Path, answer: bytes) -> None:
    with (
        answering(data, lambda connection: connection.sendall(answer)),
        pytest.raises(ControlError, match="without an answer"),
    ):
        ask(data, "echo")


def test_a_server_that_hangs(data: Path) -> None:
    ended = threading.Event()
    with answering(data, lambda connection: ended.wait(10) and None):
        with pytest.raises(ControlError, match=r"no answer in 0\.1 s"):
            ask(data, "echo", seconds=0.1)
        ended.set()


# -- a process of its own, on uvloop -----------------------------------------------------------------------------------


@contextlib.contextmanager
def keyholder(data: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-m", "support.keyholder", str(data)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def test_after_a_kill_the_next_server_answers(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with keyholder(data) as process:
        made = ask(data, "keys.create", tenant="demo", name="a")
        process.kill()
        process.wait()
    assert (data / "control.sock").exists(), "kill -9 leaves it"
    with pytest.raises(NotRunning):
        ask(data, "keys.list")
    with keyholder(data) as process:
        assert [key["id"] for key in ask(data, "keys.list")] == [made["id"]]
        assert ask(data, "find", secret=made["secret"]) is True
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    assert not (data / "control.sock").exists()


def test_a_stop_lets_commands_finish(tmp_path: Path) -> None:
    data = tmp_path / "data"
    answers: list[Any] = []
    with keyholder(data) as process:
        thread = threading.Thread(target=lambda: answers.append(ask(data, "sleep")))
        thread.start()
        while not ask(data, "sleeping"):
            pass
        process.send_signal(signal.SIGTERM)
        thread.join()
        assert process.wait(10) == 0
    assert answers == ["slept"]
