"""Settings: defaults, then a TOML file, then the environment, then flags; the later one wins.

A key lives in a section. In TOML it is `[section] key = value`, in the environment `XIAOER_SECTION_KEY`; besides,
`OPENAI_API_KEY` and `OPENAI_BASE_URL` fill `model.api_key` and `model.base_url` when nothing else does. A list in the
environment is separated by commas. Whatever is unknown or out of range is a `ConfigError` of one line that names
the place, the key and what is allowed; nothing starts on a setting that was misread.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import msgspec
from msgspec import Meta, field

#: Variables that belong to the library, the tests or the start itself, not to a section.
RESERVED = frozenset({"XIAOER_BACKEND", "XIAOER_CONFIG", "XIAOER_REQUIRE_SERVICES", "XIAOER_HYPOTHESIS_PROFILE"})

Seconds = Annotated[float, Meta(gt=0, le=86_400, description="seconds, more than 0, at most 86400")]
Count = Annotated[int, Meta(ge=1, le=10_000_000, description="a whole number from 1")]
PerSecond = Annotated[float, Meta(gt=0, le=1_000_000, description="a number a second, more than 0")]
Text = Annotated[str, Meta(description="text")]
Texts = Annotated[list[str], Meta(description="a list of texts")]
Switch = Annotated[bool, Meta(description="true or false")]
Share = Annotated[float, Meta(ge=0, le=1, description="a number from 0 to 1")]
Temperature = Annotated[float, Meta(ge=0, le=2, description="a number from 0 to 2")]


class ConfigError(Exception):
    """A setting that cannot be used. The message is one line: place, key, what is wrong, what is allowed."""


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of all sections."""


class ServerSettings(Section, frozen=True):
    """Where the server listens and keeps its data."""

    host: Text = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65_535, description="a port from 0 to 65535; 0 takes a free one")] = 8000
    data: Text = "xiaoer-data"
    workers: Annotated[int, Meta(ge=1, le=1, description="1; more needs the message bus of a later version")] = 1
    drain_seconds: Seconds = 20.0


class SecuritySettings(Section, frozen=True):
    """Tokens and proxies."""

    secret: Text = ""
    token_ttl_seconds: Annotated[int, Meta(ge=60, le=31_536_000, description="seconds from 60 to a year")] = 86_400
    trusted_proxies: Texts = field(default_factory=lambda: ["127.0.0.1", "::1"])


class LimitSettings(Section, frozen=True):
    """What one visitor, one address, one request may ask for."""

    text_chars: Annotated[int, Meta(ge=1, le=100_000, description="code points from 1 to 100000")] = 4_000
    body_bytes: Annotated[int, Meta(ge=1_024, le=16_777_216, description="bytes from 1024 to 16777216")] = 65_536
    header_bytes: Annotated[int, Meta(ge=1_024, le=1_048_576, description="bytes from 1024 to 1048576")] = 16_384
    visitor_burst: Count = 20
    visitor_rate: PerSecond = 2.0
    address_burst: Count = 200
    address_rate: PerSecond = 50.0
    session_burst: Count = 30
    session_rate: PerSecond = 0.5
    address_sockets: Count = 200
    socket_in_flight: Count = 64
    slow_reader_seconds: Seconds = 30.0
    request_seconds: Seconds = 10.0


class ModelSettings(Section, frozen=True):
    """The OpenAI-compatible model; without `base_url` and `api_key` the built-in answerer works alone."""

    base_url: Text = ""
    api_key: Text = ""
    name: Text = "gpt-4.1-mini"
    temperature: Temperature = 0.4
    temperature_min: Temperature = 0.3
    temperature_max: Temperature = 0.5
    send_temperature: Switch = True
    max_tokens: Count = 1_024
    connect_seconds: Seconds = 5.0
    first_token_seconds: Seconds = 20.0
    token_seconds: Seconds = 15.0
    answer_seconds: Seconds = 180.0
    connections: Count = 2_000

    @property
    def configured(self) -> bool:
        """Whether there is a model to ask."""
        return bool(self.base_url or self.api_key)

    @property
    def clamped_temperature(self) -> float:
        """`temperature`, held between `temperature_min` and `temperature_max`."""
        return min(max(self.temperature, self.temperature_min), self.temperature_max)


class AnswerSettings(Section, frozen=True):
    """How messages become answers."""

    enabled: Switch = True
    burst_ms: Annotated[int, Meta(ge=0, le=60_000, description="milliseconds from 0 to 60000")] = 800
    burst_max_ms: Annotated[int, Meta(ge=0, le=120_000, description="milliseconds from 0 to 120000")] = 3_000
    history_entries: Annotated[int, Meta(ge=1, le=200, description="a whole number from 1 to 200")] = 20
    history_chars: Annotated[int, Meta(ge=100, le=1_000_000, description="code points from 100")] = 8_000
    evidence_threshold: Share = 0.5
    passages: Annotated[int, Meta(ge=1, le=10, description="a whole number from 1 to 10")] = 3
    concurrency: Count = 2_000
    max_waiting: Count = 10_000


class TenantSettings(Section, frozen=True):
    """One tenant.

    `allowed_sites` may embed its widget; `words_file` is its list of sensitive words, read at every start;
    `demo` loads the demo shop's articles and words into it at the first one.
    """

    name: Text = ""
    allowed_sites: Texts = field(default_factory=list)
    system_prompt: Text = ""
    words_file: Text = ""
    demo: Switch = False


class Settings(Section, frozen=True):
    """All settings of one process."""

    server: ServerSettings = field(default_factory=ServerSettings)
    security: SecuritySettings = field(default_factory=SecuritySettings)
    limits: LimitSettings = field(default_factory=LimitSettings)
    model: ModelSettings = field(default_factory=ModelSettings)
    answer: AnswerSettings = field(default_factory=AnswerSettings)
    tenants: dict[str, TenantSettings] = field(
        default_factory=lambda: {"demo": TenantSettings(name="店小二茶铺 Xiaoer Tea House", demo=True)}
    )


#: What may stand in `allowed_sites`: an origin, its first label free or not, with or without the scheme; or all.
SITE = re.compile(r"\*|(https?://)?(\*\.)?([\w-]+(\.[\w-]+)*|\[[0-9a-f:.]+\])(:\d{1,5})?/?", re.IGNORECASE)

SECTIONS: dict[str, type[Section]] = {
    "server": ServerSettings,
    "security": SecuritySettings,
    "limits": LimitSettings,
    "model": ModelSettings,
    "answer": AnswerSettings,
}


def describe() -> Iterator[tuple[str, str, str]]:
    """Yield (key, default, what is allowed) of every setting, in order; the README's table is made from it."""
    sections: dict[str, type[Section]] = {**SECTIONS, "tenants.<slug>": TenantSettings}
    for name, section in sections.items():
        defaults = section()
        for key, kind in _types(section).items():
            yield f"{name}.{key}", msgspec.json.encode(getattr(defaults, key)).decode(), _allowed(kind)


def load(
    path: Path | None = None,
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
) -> Settings:
    """Read the settings.

    Args:
        path: TOML file, or None for none.
        environ: The environment; an empty mapping for none.
        flags: `section.key` → value, as given on the command line; None values are left out.

    Raises:
        ConfigError: the file cannot be read, or a key or value in any of the places is not allowed.
    """
    values: dict[str, dict[str, Any]] = {name: {} for name in SECTIONS}
    places: dict[str, str] = {}
    tenants = _read_file(path, values, places) if path is not None else None
    _read_environment(environ or {}, values, places)
    for flag, value in (flags or {}).items():
        if value is not None:
            name, _, key = flag.partition(".")
            values[name][key] = _convert(SECTIONS[name], key, value, "flags", prefix="--", strict=False)
    sections: dict[str, Any] = {name: kind(**values[name]) for name, kind in SECTIONS.items()}
    settings = Settings(**sections) if tenants is None else Settings(**sections, tenants=tenants)
    _check(settings, places)
    return settings


def _read_file(
    path: Path, values: dict[str, dict[str, Any]], places: dict[str, str]
) -> dict[str, TenantSettings] | None:
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is not TOML: {error}") from error
    tenants: dict[str, TenantSettings] | None = None
    for name, section in document.items():
        if name != "tenants" and name not in SECTIONS:
            raise ConfigError(f"{path}: {name}: {_unknown('section', name, [*SECTIONS, 'tenants'])}")
        if not isinstance(section, dict):
            raise ConfigError(f"{path}: {name}: is a section, write [{name}]")
        if name == "tenants":
            tenants = {slug: _tenant(path, slug, keys) for slug, keys in section.items()}
            continue
        for key, value in section.items():
            values[name][key] = _convert(SECTIONS[name], key, value, str(path), prefix=f"{name}.")
            places[f"{name}.{key}"] = f"{path}: {name}.{key}"
    return tenants


def _tenant(path: Path, slug: str, keys: object) -> TenantSettings:
    if not (1 <= len(slug) <= 64 and slug.isascii() and slug.replace("-", "").isalnum() and slug == slug.lower()):
        raise ConfigError(f"{path}: tenants.{slug}: a tenant's name is 1 to 64 of a-z, 0-9 and -")
    if not isinstance(keys, dict):
        raise ConfigError(f"{path}: tenants.{slug}: is a section, write [tenants.{slug}]")
    prefix = f"tenants.{slug}."
    tenant = TenantSettings(
        **{key: _convert(TenantSettings, key, value, str(path), prefix=prefix) for key, value in keys.items()}
    )
    for site in tenant.allowed_sites:
        if not SITE.fullmatch(site):
            raise ConfigError(
                f"{path}: {prefix}allowed_sites: {site!r} is not allowed; allowed: a site without a path, such as "
                "'https://shop.example.com' or 'https://*.example.com', or '*' for every site"
            )
    return tenant


def _read_environment(environ: Mapping[str, str], values: dict[str, dict[str, Any]], places: dict[str, str]) -> None:
    for variable, text in environ.items():
        if not variable.startswith("XIAOER_") or variable in RESERVED:
            continue
        name, _, key = variable.removeprefix("XIAOER_").lower().partition("_")
        if name not in SECTIONS:
            allowed = [f"XIAOER_{section.upper()}_*" for section in SECTIONS]
            raise ConfigError(f"environment: {variable}: unknown; allowed: {', '.join([*allowed, *sorted(RESERVED)])}")
        kind = _types(SECTIONS[name]).get(key)
        value: object = text
        if kind is not None and _is_list(kind):
            value = [part.strip() for part in text.split(",") if part.strip()]
        values[name][key] = _convert(
            SECTIONS[name], key, value, "environment", prefix=f"XIAOER_{name.upper()}_", strict=False
        )
        places[f"{name}.{key}"] = f"environment: {variable}"
    for variable, key in (("OPENAI_API_KEY", "api_key"), ("OPENAI_BASE_URL", "base_url")):
        if environ.get(variable) and key not in values["model"]:
            values["model"][key] = environ[variable]
            places[f"model.{key}"] = f"environment: {variable}"


def _convert(
    section: type[Section], key: str, value: object, place: str, *, prefix: str = "", strict: bool = True
) -> Any:
    types = _types(section)
    shown = prefix + (key.upper() if prefix.startswith("XIAOER_") else key) if prefix else key
    if key not in types:
        raise ConfigError(f"{place}: {shown}: {_unknown('key', key, list(types))}")
    try:
        return msgspec.convert(value, types[key], strict=strict)
    except msgspec.ValidationError as error:
        secret = key in {"secret", "api_key"}
        what = "this value" if secret else repr(value)
        raise ConfigError(f"{place}: {shown}: {what} is not allowed; allowed: {_allowed(types[key])}") from error


def _check(settings: Settings, places: Mapping[str, str]) -> None:
    def place(key: str) -> str:
        return places.get(key, key)

    secret = settings.security.secret
    if secret and len(secret.encode()) < 32:
        raise ConfigError(
            f"{place('security.secret')}: {len(secret.encode())} bytes are too few; allowed: at least 32 random bytes, "
            "or leave it out and one is made in the data folder"
        )
    if settings.model.temperature_min > settings.model.temperature_max:
        named = "model.temperature_min"
        if named in places or "model.temperature_max" not in places:
            raise ConfigError(f"{place(named)}: is above model.temperature_max; allowed: at most that")
        raise ConfigError(f"{places['model.temperature_max']}: is below {named}; allowed: at least that")
    base_url = settings.model.base_url
    if base_url and not base_url.startswith(("http://", "https://")):
        raise ConfigError(
            f"{place('model.base_url')}: {base_url!r} is not allowed; allowed: an http:// or https:// address"
        )
    if not settings.tenants:
        raise ConfigError("tenants: none is named; allowed: at least one [tenants.<slug>], or leave the section out")


def _types(section: type[Section]) -> dict[str, Any]:
    hints = get_type_hints(section, include_extras=True)
    return {name: hints[name] for name in section.__struct_fields__}


def _is_list(kind: Any) -> bool:
    return getattr(kind.__origin__, "__origin__", None) is list


def _allowed(kind: Any) -> str:
    meta: Meta = kind.__metadata__[0]
    return meta.description or "see README"


def _unknown(what: str, name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    return f"unknown {what}; {hint}allowed: {', '.join(known)}"
