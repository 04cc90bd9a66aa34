"""How the command line talks to the running server: a Unix socket in the data folder.

The server holds the folder's lock, so nobody else can open the store. It serves `control.sock`: a JSON object in one
line in, one out, then the connection ends.

    {"command": "keys.list", "arguments": {"tenant": "demo"}}
    {"result": […]}     or     {"error": {"code": "not_found", "message": "…", "status": 404}}

Only the server's own user and root are answered: the socket has mode 0600 from its first moment, and the kernel tells
the peer's user id (where it can; Linux does). The client makes sure in the same way that nobody has put a socket of his
own there. What the commands are, is not known here.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import stat
import struct
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from ..errors import ServerError

log = logging.getLogger(__name__)

NAME = "control.sock"

#: Bytes of a request, and of an answer.
REQUEST_BYTES, ANSWER_BYTES = 65_536, 64 << 20

#: Whoever connects has this many seconds to say what he wants.
REQUEST_SECONDS = 5.0

#: Longest path of a Unix socket that every system takes: 104 bytes with the zero at its end on BSD, 108 on Linux.
_PATH_BYTES = 103

Command = Callable[[dict[str, Any]], Awaitable[Any]]


class NotRunning(Exception):
    """No server answers in this folder."""


class ControlError(Exception):
    """The socket cannot be served or must not be trusted, or the server did not answer. One line for the operator."""


class Refused(ControlError):
    """The server carried out nothing. `status` is that of HTTP for the same refusal."""

    def __init__(self, message: str, code: str, status: int) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


class Request(msgspec.Struct, frozen=True):
    """What comes in."""

    command: str
    arguments: dict[str, Any] = {}


class Control:
    """Serves commands on the socket.

    Args:
        data: The data folder; whoever starts this holds its lock.
        commands: By name. They get the arguments and return what msgspec can encode. A `ServerError` is told to the
            caller; anything else is logged, and the caller hears only that it is.
    """

    def __init__(self, data: Path, commands: Mapping[str, Command]) -> None:
        self._data = data
        self._commands = dict(commands)
        self._server: asyncio.Server | None = None
        self._folder = -1
        self._answering: set[asyncio.Task[None]] = set()

    def add(self, commands: Mapping[str, Command]) -> None:
        """Serve these too."""
        self._commands.update(commands)

    async def start(self) -> None:
        """Serve. A socket that a killed server left behind is replaced.

        Raises:
            ControlError: others may write to the folder, another server answers there, or something that is no
                socket has its name.
            OSError: the socket cannot be made.
        """
        self._folder = os.open(self._data, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            _check_folder(self._data, self._folder)
            self._remove_stale()
            # On Linux a socket's mode before bind, less the umask, is the mode of its file.
            with contextlib.suppress(OSError):
                os.fchmod(listening.fileno(), 0o600)
            with _address(self._data) as address:
                listening.bind(address)
            os.chmod(NAME, 0o600, dir_fd=self._folder)
            listening.setblocking(False)
            self._server = await asyncio.start_unix_server(self._connected, sock=listening, limit=REQUEST_BYTES)
        except BaseException:
            listening.close()
            os.close(self._folder)
            self._folder = -1
            raise

    async def close(self) -> None:
        """Let commands under way finish and remove the socket. May be called twice, and without `start`."""
        if self._server is None:
            return
        # While it is still ours: once it is closed, another server may have put its own there.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(NAME, dir_fd=self._folder)
        self._server.close()
        self._server = None
        if self._answering:
            _, late = await asyncio.wait(self._answering, timeout=REQUEST_SECONDS)
            for task in late:
                task.cancel()
        os.close(self._folder)
        self._folder = -1

    def _remove_stale(self) -> None:
        try:
            found = os.stat(NAME, dir_fd=self._folder, follow_symlinks=False)
        except FileNotFoundError:
            return
        if not stat.S_ISSOCK(found.st_mode):
            raise ControlError(f"{self._data / NAME}: is not a socket; remove it")
        with contextlib.suppress(NotRunning):
            _connect(self._data, 1.0).close()
            raise ControlError(f"{self._data / NAME}: another server answers there")
        os.unlink(NAME, dir_fd=self._folder)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._converse(reader, writer))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            user = _peer(writer.get_extra_info("socket"))
            if user is not None and user not in (0, os.geteuid()):
                log.warning("user %d may not use %s", user, NAME)
                return
            line = await asyncio.wait_for(reader.readuntil(b"\n"), REQUEST_SECONDS)
            writer.write(await self._answer(line) + b"\n")
            await writer.drain()
        except asyncio.LimitOverrunError:
            writer.write(_error("too_long", f"A request has at most {REQUEST_BYTES} bytes.", 413) + b"\n")
        except (OSError, EOFError, TimeoutError):
            pass  # whoever it was is gone, or says nothing
        finally:
            writer.close()

    async def _answer(self, line: bytes) -> bytes:
        try:
            request = msgspec.json.decode(line, type=Request)
        except msgspec.DecodeError:
            return _error("bad_request", "The request is not a JSON object with a command.", 400)
        command = self._commands.get(request.command)
        if command is None:
            return _error("unknown_command", "The server does not know this command; is it of this version?", 404)
        try:
            return msgspec.json.encode({"result": await command(request.arguments)})
        except ServerError as error:
            return _error(error.code, error.message, error.status)
        except Exception:
            log.exception("the command %s failed", request.command)
            return _error("internal", "The command failed; the server's log says why.", 500)


def ask(data: Path, command: str, *, seconds: float = 30.0, **arguments: Any) -> Any:
    """Have the running server carry out a command; blocks.

    Returns:
        What the command returned, as JSON has it.

    Raises:
        NotRunning: no server answers there.
        Refused: the server said no.
        ControlError: the socket belongs to somebody else, or the server did not answer (in time).
    """
    with _connect(data, seconds) as connection:
        owner = _peer(connection)
        if owner is not None and owner not in (0, os.geteuid(), data.stat().st_uid):
            raise ControlError(f"{data / NAME}: is served by user {owner}, who is neither you nor the folder's owner")
        try:
            connection.sendall(msgspec.json.encode(Request(command, arguments)) + b"\n")
            line = _read_line(connection)
        except TimeoutError:
            raise ControlError(f"{data / NAME}: no answer in {seconds:g} s; is the server busy or stopped?") from None
        except OSError as error:
            raise ControlError(f"{data / NAME}: {error.strerror}") from None
    try:
        answer: dict[str, Any] = msgspec.json.decode(line, type=dict[str, Any])
    except msgspec.DecodeError:
        raise ControlError(f"{data / NAME}: the server ended the connection without an answer") from None
    if (refusal := answer.get("error")) is not None:
        raise Refused(refusal["message"], refusal["code"], refusal["status"])
    return answer.get("result")


def _connect(data: Path, seconds: float) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(seconds)
    try:
        with _address(data) as address:
            connection.connect(address)
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
        connection.close()
        raise NotRunning(f"no server runs on {data}") from None
    except OSError as error:
        connection.close()
        raise ControlError(f"{data / NAME}: {error.strerror or error}") from None
    return connection


@contextlib.contextmanager
def _address(data: Path) -> Iterator[str]:
    """The socket's path or, where that is too long for a socket, another way to say it."""
    path = str(data / NAME)
    if len(os.fsencode(path)) <= _PATH_BYTES:
        yield path
        return
    folder = os.open(data, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{NAME}"
    finally:
        os.close(folder)


def _check_folder(data: Path, folder: int) -> None:
    found = os.fstat(folder)
    if found.st_uid not in (0, os.geteuid()):
        raise ControlError(f"data folder {data}: belongs to user {found.st_uid}, the server runs as {os.geteuid()}")
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        mode = stat.S_IMODE(found.st_mode)
        raise ControlError(f"data folder {data}: others may write to it (mode {mode:04o}); chmod go-w it")


def _peer(connection: Any) -> int | None:
    """The user id of the other side's process; None where the system does not tell."""
    option: int | None = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return None
    credentials = struct.Struct("3i")  # pid, uid, gid
    user: int = credentials.unpack(connection.getsockopt(socket.SOL_SOCKET, option, credentials.size))[1]
    return user


def _read_line(connection: socket.socket) -> bytes:
    parts: list[bytes] = []
    size = 0
    while size <= ANSWER_BYTES and (part := connection.recv(65_536)):
        parts.append(part)
        size += len(part)
        if part.endswith(b"\n"):
            break
    return b"".join(parts)


def _error(code: str, message: str, status: int) -> bytes:
    return msgspec.json.encode({"error": {"code": code, "message": message, "status": status}})
