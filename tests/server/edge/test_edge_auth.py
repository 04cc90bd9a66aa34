"""Tokens and the key they are signed with."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

import jwt
import pytest

from xiaoer_server.config import ConfigError, SecuritySettings
from xiaoer_server.edge.auth import KEY_FILE, KeyFileError, Signer, bearer
from xiaoer_server.errors import Unauthorized

SECRET = b"0123456789abcdef0123456789abcdef"


@pytest.fixture
def signer() -> Signer:
    return Signer(SECRET, 60)


def refusal(signer: Signer, token: str) -> str:
    with pytest.raises(Unauthorized) as caught:
        signer.verify(token)
    assert len(token) < 20 or token[:20] not in caught.value.message
    return caught.value.code


def test_token_says_who_it_speaks_for(signer: Signer) -> None:
    token = signer.issue("demo", "visitor", "conversation", external=signer.fingerprint("customer-42"))
    for _ in range(2):
        identity = signer.verify(token)
        assert (identity.tenant, identity.visitor, identity.conversation) == ("demo", "visitor", "conversation")
        assert 55 < identity.expires - time.time() <= 60
    assert "customer-42" not in str(jwt.decode(token, options={"verify_signature": False}))


def test_damaged_tokens(signer: Signer) -> None:
    token = signer.issue("demo", "visitor", "conversation")
    head, body, signature = token.split(".")
    for damaged in (
        "",
        "a",
        "a.b.c",
        token[:-2],
        f"{head}.{body}.",
        f"{head}.{body[:-4]}AAAA.{signature}",
        token + "a" * 2_000,
        "\udcff.\udcff.\udcff",
        "店.小.二",
    ):
        assert refusal(signer, damaged) == "unauthorized", damaged


def test_foreign_tokens(signer: Signer) -> None:
    claims = {
        "aud": "visitor",
        "tenant": "demo",
        "sub": "visitor",
        "conversation": "conversation",
        "exp": int(time.time()) + 60,
    }

    def made(key: bytes = SECRET, algorithm: str = "HS256", **changed: object) -> str:
        wanted = {name: value for name, value in {**claims, **changed}.items() if value is not None}
        return jwt.encode(wanted, key, algorithm=algorithm)

    assert signer.verify(made()).visitor == "visitor"
    assert refusal(signer, made(b"x" * 32)) == "unauthorized"
    assert refusal(signer, made(SECRET * 2, algorithm="HS512")) == "unauthorized"
    assert refusal(signer, jwt.encode(claims, None, algorithm="none")) == "unauthorized"  # type: ignore[arg-type]
    assert refusal(signer, made(aud="agent")) == "unauthorized"
    for claim in claims:
        assert refusal(signer, made(**{claim: None})) == "unauthorized", claim
    for claim in ("tenant", "conversation", "sub"):
        assert refusal(signer, made(**{claim: ["demo"]})) == "unauthorized", claim
    assert refusal(signer, made(exp=int(time.time()) - 1)) == "token_expired"


def test_token_expires_also_when_it_is_remembered(signer: Signer, monkeypatch: pytest.MonkeyPatch) -> None:
    token = signer.issue("demo", "visitor", "conversation")
    signer.verify(token)
    later = time.time() + 61
    monkeypatch.setattr(time, "time", lambda: later)
    assert refusal(signer, token) == "token_expired"
    assert token not in signer._verified


def test_memory_is_bounded_and_keeps_who_is_there() -> None:
    signer = Signer(SECRET, 60, remembered=10)
    first = signer.issue("demo", "visitor", "conversation")
    for number in range(50):
        signer.verify(first)
        signer.verify(signer.issue("demo", f"visitor-{number}", "conversation"))
    assert len(signer._verified) == 10
    assert first in signer._verified


@pytest.mark.parametrize(
    "header", [None, b"", b"Bearer", b"Basic YTpi", b"Bearertoken", b"Token abc"], ids=lambda header: repr(header)
)
def test_header_without_a_bearer(header: bytes | None) -> None:
    with pytest.raises(Unauthorized):
        bearer(header)


def test_bearer() -> None:
    assert bearer(b"Bearer abc") == bearer(b"bearer  abc ") == "abc"


# -- the key --------------------------------------------------------------------------------------------------


def test_key_is_made_once_and_for_us_alone(tmp_path: Path) -> None:
    token = Signer.open(tmp_path, SecuritySettings()).issue("demo", "visitor", "conversation")
    key = tmp_path / KEY_FILE
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert len(key.read_bytes()) >= 32
    assert [path.name for path in tmp_path.iterdir()] == [KEY_FILE]
    assert Signer.open(tmp_path, SecuritySettings()).verify(token).visitor == "visitor"


def test_keys_differ(tmp_path: Path) -> None:
    keys = set()
    for name in "ab":
        (tmp_path / name).mkdir()
        Signer.open(tmp_path / name, SecuritySettings())
        keys.add((tmp_path / name / KEY_FILE).read_bytes())
    assert len(keys) == 2


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_key_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    Signer.open(tmp_path, SecuritySettings())
    (tmp_path / KEY_FILE).chmod(mode)
    with pytest.raises(KeyFileError, match=f"{mode:04o}.*chmod 600"):
        Signer.open(tmp_path, SecuritySettings())


@pytest.mark.parametrize("content", [b"", b"short", b" " * 64])
def test_key_file_without_a_key_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / KEY_FILE).write_bytes(content)
    (tmp_path / KEY_FILE).chmod(0o600)
    with pytest.raises(KeyFileError, match="no signing key"):
        Signer.open(tmp_path, SecuritySettings())


def test_key_that_is_no_plain_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(SECRET)
    (tmp_path / "elsewhere").chmod(0o600)
    os.symlink(tmp_path / "elsewhere", tmp_path / KEY_FILE)
    with pytest.raises(KeyFileError):
        Signer.open(tmp_path, SecuritySettings())


def test_configured_secret(tmp_path: Path) -> None:
    signer = Signer.open(tmp_path, SecuritySettings(secret=SECRET.decode()))
    assert not (tmp_path / KEY_FILE).exists()
    assert Signer(SECRET, 60).verify(signer.issue("demo", "visitor", "conversation"))
    with pytest.raises(ConfigError, match="at least 32"):
        Signer.open(tmp_path, SecuritySettings(secret="a" * 31))
