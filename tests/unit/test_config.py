"""Settings: order of the places, and one clear line for whatever is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from xiaoer_server.config import ConfigError, describe, load


def write(folder: Path, text: str) -> Path:
    path = folder / "xiaoer.toml"
    path.write_text(text, "utf-8")
    return path


def test_defaults_are_safe() -> None:
    settings = load()
    assert settings.server.host == "127.0.0.1"
    assert settings.security.secret == ""
    assert not settings.model.configured
    assert list(settings.tenants) == ["demo"]


def test_later_places_win(tmp_path: Path) -> None:
    path = write(tmp_path, "[server]\nport = 1\ndata = 'a'\nhost = 'h'\n")
    environ = {"XIAOER_SERVER_PORT": "2", "XIAOER_SERVER_DATA": "b"}
    settings = load(path, environ, {"server.port": 3, "server.data": None})
    assert (settings.server.port, settings.server.data, settings.server.host) == (3, "b", "h")


def test_openai_variables_fill_what_nothing_else_sets(tmp_path: Path) -> None:
    environ = {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "http://x/v1"}
    assert load(None, environ).model.base_url == "http://x/v1"
    path = write(tmp_path, "[model]\nbase_url = 'http://y/v1'\n")
    model = load(path, environ).model
    assert (model.base_url, model.api_key) == ("http://y/v1", "k")


def test_lists_in_the_environment() -> None:
    settings = load(None, {"XIAOER_SECURITY_TRUSTED_PROXIES": "10.0.0.1, 10.0.0.2"})
    assert settings.security.trusted_proxies == ["10.0.0.1", "10.0.0.2"]


@pytest.mark.parametrize(("wanted", "held"), [(0.0, 0.3), (0.3, 0.3), (0.42, 0.42), (0.5, 0.5), (1.7, 0.5)])
def test_temperature_is_held(tmp_path: Path, wanted: float, held: float) -> None:
    assert load(write(tmp_path, f"[model]\ntemperature = {wanted}\n")).model.clamped_temperature == held


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("[sever]\n", ["sever: unknown section", "did you mean server?", "limits"]),
        ("[limits]\nvisitor_rat = 1\n", ["limits.visitor_rat: unknown key", "did you mean visitor_rate?"]),
        ("[server]\nport = 70000\n", ["server.port: 70000 is not allowed", "0 to 65535"]),
        ("[server]\nport = '80'\n", ["server.port: '80' is not allowed"]),
        ("[server]\nworkers = 2\n", ["server.workers: 2 is not allowed", "allowed: 1"]),
        ("server = 1\n", ["server: is a section, write [server]"]),
        ("[tenants.Big]\n", ["tenants.Big: a tenant's name is 1 to 64 of a-z, 0-9 and -"]),
        ("[tenants.shop]\nsites = []\n", ["tenants.shop.sites: unknown key", "allowed_sites"]),
        ("[model]\nbase_url = 'ftp://x'\n", ["model.base_url", "http:// or https://"]),
        ("[model]\ntemperature_max = 0.1\n", ["model.temperature_max: is below model.temperature_min"]),
        ("[model]\ntemperature_min = 0.9\n", ["model.temperature_min: is above model.temperature_max"]),
        ("[security]\nsecret = 'short'\n", ["security.secret: 5 bytes are too few", "at least 32"]),
        (
            "[tenants.shop]\nallowed_sites = ['shop.example/chat']\n",
            ["tenants.shop.allowed_sites: 'shop.example/chat'"],
        ),
        ("[tenants.shop]\nallowed_sites = ['https://a.example, b.example']\n", ["allowed: a site without a path"]),
        ("[server\n", ["is not TOML"]),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path: Path, text: str, parts: list[str]) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as raised:
        load(path)
    line = str(raised.value)
    assert "\n" not in line
    assert line.startswith(f"{path}: ")
    assert all(part in line for part in parts), line


@pytest.mark.parametrize(
    ("variable", "value", "part"),
    [
        ("XIAOER_SERVER_PORT", "eighty", "XIAOER_SERVER_PORT: 'eighty' is not allowed"),
        ("XIAOER_SERVER_PRT", "80", "XIAOER_SERVER_PRT: unknown key; did you mean port?"),
        ("XIAOER_SECURITY_SECRET", "short", "environment: XIAOER_SECURITY_SECRET: 5 bytes are too few"),
        ("OPENAI_BASE_URL", "x.example", "environment: OPENAI_BASE_URL: 'x.example' is not allowed"),
        ("XIAOER_SEVER_PORT", "80", "XIAOER_SEVER_PORT: unknown; allowed: XIAOER_SERVER_*"),
    ],
)
def test_the_environment_is_checked_as_well(variable: str, value: str, part: str) -> None:
    with pytest.raises(ConfigError, match=part.replace("?", r"\?").replace("*", r"\*")):
        load(None, {variable: value})


@pytest.mark.parametrize(
    "site",
    ["*", "https://a.example", "https://a.example/", "https://*.a.example", "a.example", "*.a.example", "HTTP://[::1]:80",
     "http://localhost:3000", "https://店小二.example"],
)  # fmt: skip
def test_sites(tmp_path: Path, site: str) -> None:
    settings = load(write(tmp_path, f"[tenants.shop]\nallowed_sites = ['{site}']\n"))
    assert settings.tenants["shop"].allowed_sites == [site]


def test_secrets_are_not_printed(tmp_path: Path) -> None:
    path = write(tmp_path, "[model]\napi_key = 12345678\n")
    with pytest.raises(ConfigError) as raised:
        load(path)
    assert "12345678" not in str(raised.value)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "none.toml")


def test_readme_lists_every_setting() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
    missing = [key for key, default, _ in describe() if f"`{key}`" not in readme]
    assert not missing
