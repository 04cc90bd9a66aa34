"""Visitor tokens: JSON Web Tokens signed with HMAC-SHA256 by a key that never leaves the data folder.

A token names tenant, visitor and conversation, and when it ends. Verified ones are remembered until then, so that
a visitor's next message costs a dictionary lookup and not a signature.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
import time
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import jwt

from ..chat.entries import Identity
from ..config import ConfigError, SecuritySettings
from ..errors import Unauthorized

KEY_FILE = "secret.key"
KEY_BYTES = 32
AUDIENCE = "visitor"

#: A genuine token may be exchanged for a fresh one up to this long after it ended, in seconds.
RENEWAL_GRACE = 30 * 86_400

#: No token of ours is longer; what is longer is refused before anything is computed.
LONGEST_TOKEN = 1_024


class KeyFileError(ConfigError):
    """The key file is no key, or others may read it."""


class Renewal(NamedTuple):
    """Whose session may go on, and the fingerprint of the site's own name for them."""

    identity: Identity
    external: str | None


class Signer:
    """Issues and verifies tokens.

    Args:
        secret: The HMAC key, at least 32 bytes.
        ttl: How long a token is good for, in seconds.
        remembered: How many verified tokens are kept at most; the least recently used goes first.

    Raises:
        ConfigError: the secret is too short.
    """

    def __init__(self, secret: bytes, ttl: int, *, remembered: int = 32_768) -> None:
        if len(secret) < KEY_BYTES:
            raise ConfigError(
                f"security.secret: {len(secret)} bytes are too few; allowed: at least {KEY_BYTES} random bytes"
            )
        self._secret = secret
        self._ttl = ttl
        self._remembered = remembered
        self._verified: OrderedDict[str, Identity] = OrderedDict()

    @classmethod
    def open(cls, data: Path, security: SecuritySettings) -> Signer:
        """The signer of a data folder, with the configured secret or the folder's own key.

        Raises:
            ConfigError: the configured secret is too short.
            KeyFileError: the key file may be read by others or is not a key.
        """
        return cls(secret_key(data, security.secret), security.token_ttl_seconds)

    def issue(self, tenant: str, visitor: str, conversation: str, *, external: str | None = None) -> str:
        """Make a token. `external` is the fingerprint of the site's own name for the visitor."""
        claims: dict[str, Any] = {
            "aud": AUDIENCE,
            "tenant": tenant,
            "sub": visitor,
            "conversation": conversation,
            "exp": int(time.time()) + self._ttl,
        }
        if external is not None:
            claims["ext"] = external
        return jwt.encode(claims, self._secret, algorithm="HS256")

    def verify(self, token: str) -> Identity:
        """Whom the token speaks for.

        Raises:
            Unauthorized: `unauthorized` where it is not ours or damaged, `token_expired` where it is over.
        """
        identity = self._verified.get(token)
        if identity is not None:
            if identity.expires <= time.time():
                del self._verified[token]
                raise Unauthorized("The token has expired.", code="token_expired")
            self._verified.move_to_end(token)
            return identity
        identity = _identity(self._claims(token, grace=0))
        self._verified[token] = identity
        if len(self._verified) > self._remembered:
            self._verified.popitem(last=False)
        return identity

    def renewable(self, token: str, tenant: str, visitor: str | None) -> Renewal | None:
        """Whom a genuine token speaks for that is valid or over for less than 30 days, else None.

        It must be of this tenant and, where `visitor` is given, of that visitor: by our id or the site's own name.
        """
        try:
            claims = self._claims(token, grace=RENEWAL_GRACE)
            identity = _identity(claims)
        except Unauthorized:
            return None
        if identity.tenant != tenant:
            return None
        external = claims.get("ext")
        if visitor is None or visitor == identity.visitor or external == self.fingerprint(visitor):
            return Renewal(identity, external)
        return None

    def _claims(self, token: str, *, grace: int) -> dict[str, Any]:
        if len(token) > LONGEST_TOKEN:
            raise Unauthorized("The token is not valid.")
        try:
            return jwt.decode(
                token,
                self._secret,
                algorithms=["HS256"],
                audience=AUDIENCE,
                leeway=grace,
                options={"require": ["exp", "sub", "aud"]},
            )
        except jwt.ExpiredSignatureError as error:
            raise Unauthorized("The token has expired.", code="token_expired") from error
        except (jwt.InvalidTokenError, ValueError) as error:
            raise Unauthorized("The token is not valid.") from error

    def fingerprint(self, external_id: str) -> str:
        """What stands in a token for the site's own name of a visitor, which may be a name or an address."""
        data = external_id.encode("utf-8", "surrogatepass")
        return hashlib.blake2b(data, digest_size=16, key=self._secret[:64]).hexdigest()


def _identity(claims: dict[str, Any]) -> Identity:
    tenant, conversation = claims.get("tenant"), claims.get("conversation")
    if not isinstance(tenant, str) or not isinstance(conversation, str):
        raise Unauthorized("The token is not valid.")
    return Identity(tenant=tenant, visitor=claims["sub"], conversation=conversation, expires=int(claims["exp"]))


def bearer(header: bytes | None) -> str:
    """The token of an Authorization header.

    Raises:
        Unauthorized: there is none, or the scheme is another one.
    """
    if header is None or header[:7].lower() != b"bearer ":
        raise Unauthorized("An Authorization header with a bearer token is needed.")
    return header[7:].strip().decode("latin-1")


def secret_key(data: Path, configured: str = "") -> bytes:
    """The configured secret, or the key in the data folder, which is made at the first start.

    Raises:
        KeyFileError: the key file may be read by others or is not a key.
    """
    if configured:
        return configured.encode()
    path = data / KEY_FILE
    if not path.exists():
        _make_key(path)
    return _read_key(path)


def _make_key(path: Path) -> None:
    """Write beside and link: a crash in between leaves no half key, and of two starts one wins."""
    beside = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_urlsafe(48).encode())
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(beside, path)
    finally:
        beside.unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _read_key(path: Path) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError as error:
        raise KeyFileError(f"{path}: the signing key cannot be read: {error.strerror}") from error
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise KeyFileError(f"{path}: the signing key is not a plain file")
        if status.st_mode & 0o077:
            mode = stat.S_IMODE(status.st_mode)
            raise KeyFileError(f"{path}: the signing key has mode {mode:04o}; others may not read it: chmod 600 it")
        key = file.read(4_096).strip()
    if len(key) < KEY_BYTES:
        raise KeyFileError(f"{path}: holds no signing key of at least {KEY_BYTES} bytes; delete it and one is made")
    return key
