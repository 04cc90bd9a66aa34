"""The demo shop and the widget's files, from the package's web folder.

Only files that were there at the start are served, by a table of their names: no path is ever built from a request.
A file that was changed since is read again.
"""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from litestar import HttpMethod, Request, route
from litestar.params import FromPath
from litestar.response import Response
from litestar.types import ControllerRouterHandler

from ..errors import NotFound

WEB = Path(__file__).parent.parent / "web"

#: Our own files and sockets only; styles come as files or as constructed sheets, never inline.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)

#: Pages are looked up with HEAD too; the server leaves the body of the answer out.
READING = [HttpMethod.GET, HttpMethod.HEAD]

ALWAYS = {"x-content-type-options": "nosniff", "referrer-policy": "strict-origin-when-cross-origin"}
PAGE_HEADERS = {**ALWAYS, "content-security-policy": POLICY, "cache-control": "no-cache"}

#: A module script of another site is fetched with CORS. The widget's modules belong together, so each is asked for
#: again (and mostly not sent again); pictures may be a little stale.
SCRIPT_HEADERS = {
    **ALWAYS,
    "access-control-allow-origin": "*",
    "cross-origin-resource-policy": "cross-origin",
    "cache-control": "no-cache",
}
ASSET_HEADERS = {**SCRIPT_HEADERS, "cache-control": "public, max-age=3600"}

#: Litestar adds the character set to what is text.
TYPES = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".html": "text/html",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
    ".webp": "image/webp",
}
COMPRESSED = {".js", ".css", ".html", ".svg"}


@dataclass(slots=True)
class _Version:
    stamp: tuple[int, int]
    content: bytes
    compressed: bytes | None
    etag: str


class File:
    """One file, kept in memory with its tag and its compressed form."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.media_type = TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        self._version: _Version | None = None

    def version(self) -> _Version:
        """What the file holds now.

        Raises:
            NotFound: it is gone.
        """
        try:
            status = self._path.stat()
            stamp = status.st_mtime_ns, status.st_size
            if self._version is None or self._version.stamp != stamp:
                content = self._path.read_bytes()
                small = gzip.compress(content, 9, mtime=0) if self._path.suffix in COMPRESSED else None
                self._version = _Version(stamp, content, small, f'"{hashlib.sha256(content).hexdigest()[:20]}"')
        except OSError as error:
            raise NotFound("There is nothing at this address.") from error
        return self._version


def pages(web: Path = WEB) -> list[ControllerRouterHandler]:
    """The handlers of all pages and files of a web folder."""
    files = {str(path.relative_to(web)): File(path) for path in sorted(web.rglob("*")) if path.is_file()}

    def serve(request: Request[Any, Any, Any], name: str, headers: dict[str, str]) -> Response[bytes]:
        file = files.get(name)
        if file is None:
            raise NotFound("There is nothing at this address.")
        return _respond(request, file, headers)

    @route("/", http_method=READING, include_in_schema=False, sync_to_thread=False)
    def shop(request: Request[Any, Any, Any]) -> Response[bytes]:
        return serve(request, "index.html", PAGE_HEADERS)

    @route("/widget.js", http_method=READING, include_in_schema=False, sync_to_thread=False)
    def widget(request: Request[Any, Any, Any]) -> Response[bytes]:
        return serve(request, "widget.js", SCRIPT_HEADERS)

    @route("/widget/{path:path}", http_method=READING, include_in_schema=False, sync_to_thread=False)
    def module(request: Request[Any, Any, Any], path: FromPath[str]) -> Response[bytes]:
        return serve(request, f"widget/{path.lstrip('/')}", SCRIPT_HEADERS)

    @route("/assets/{path:path}", http_method=READING, include_in_schema=False, sync_to_thread=False)
    def asset(request: Request[Any, Any, Any], path: FromPath[str]) -> Response[bytes]:
        return serve(request, f"assets/{path.lstrip('/')}", ASSET_HEADERS)

    return [shop, widget, module, asset]


def _respond(request: Request[Any, Any, Any], file: File, headers: dict[str, str]) -> Response[bytes]:
    version = file.version()
    small = version.compressed
    zipped = small is not None and "gzip" in request.headers.get("accept-encoding", "")
    # A tag names one sequence of bytes, so the compressed form has its own.
    etag = f'{version.etag[:-1]}-gz"' if zipped else version.etag
    named = {**headers, "etag": etag, "vary": "accept-encoding"}
    known = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
    if etag in known or "*" in known:
        return Response(b"", status_code=304, headers=named, media_type=file.media_type)
    content = version.content
    if zipped and small is not None:
        named["content-encoding"] = "gzip"
        content = small
    return Response(content, headers=named, media_type=file.media_type)
