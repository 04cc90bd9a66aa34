"""A tenant's intents over REST, for who has an admin key."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, Router, delete, get, post, put
from litestar.params import PathParameter

from ..brain.intent_commands import shown
from ..brain.intent_examples import CHARS, EXAMPLES, INTENTS, NAME
from ..brain.intents import Intents
from ..edge.openapi import problems
from ..errors import BadRequest, NotFound
from .auth import SECURITY, admin_only, admin_tenant

#: Of a body; the examples of one intent have room in it.
BODY_BYTES = 8 << 20

_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=CHARS)]
_Texts = Annotated[list[_Text], msgspec.Meta(max_length=EXAMPLES)]


class Examples(msgspec.Struct, forbid_unknown_fields=True):
    """The examples of one intent."""

    examples: _Texts


class AllExamples(msgspec.Struct, forbid_unknown_fields=True):
    """The examples of all intents, by their names."""

    intents: Annotated[dict[str, _Texts], msgspec.Meta(max_length=INTENTS)]


class Question(msgspec.Struct, forbid_unknown_fields=True):
    """A text to be tried."""

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=4_000)]


class IntentRow(msgspec.Struct):
    """An intent, and how many examples it has."""

    intent: str
    examples: int


class Answer(msgspec.Struct):
    """What a text is taken for; `intent` is null for what is out of scope."""

    intent: str | None
    probability: float
    inside: float
    alternatives: list[tuple[str, float]]
    version: str


class VersionRow(msgspec.Struct):
    """A trained version; `created_at` is in milliseconds since the epoch."""

    version: int
    in_use: bool
    encoder: str
    intents: int
    examples: int
    report: dict[str, Any]
    created_at: int


_Name = Annotated[str, PathParameter(pattern=f"^{NAME.pattern}$", description="The intent's name.")]
_Number = Annotated[int, PathParameter(ge=1, le=2**53 - 1, description="The version's number.")]
_Asked = Request[Any, Any, Any]


def intent_routes(intents: Intents) -> Router:
    """The routes under /api/admin/intents. The application's state must have the keyring, see `auth`."""

    @get("/", operation_id="listIntents", summary="List the intents", responses=problems(401, 403))
    async def list_intents(request: _Asked) -> list[IntentRow]:
        """The intents of the key's tenant."""
        found = await intents.examples(admin_tenant(request))
        return [IntentRow(intent, len(texts)) for intent, texts in found.items()]

    @put("/", operation_id="putIntents", summary="Replace all examples", responses=problems(400, 401, 403))
    async def put_all(request: _Asked) -> list[IntentRow]:
        """Replace all intents and their examples in one transaction. What is in use stays until it is trained."""
        data = await _body(request, AllExamples)
        tenant = admin_tenant(request)
        await intents.put(tenant, data.intents, only=True)
        found = await intents.examples(tenant)
        return [IntentRow(intent, len(texts)) for intent, texts in found.items()]

    @get(
        "/examples/{intent:str}",
        operation_id="getExamples",
        summary="Read an intent's examples",
        responses=problems(400, 401, 403, 404),
    )
    async def read_examples(request: _Asked, intent: _Name) -> Examples:
        """The examples, in their order."""
        found = await intents.examples(admin_tenant(request))
        if intent not in found:
            raise NotFound("There is no such intent.", code="unknown_intent")
        return Examples(found[intent])

    @put(
        "/examples/{intent:str}",
        operation_id="putExamples",
        summary="Replace an intent's examples",
        responses=problems(400, 401, 403),
    )
    async def put_examples(request: _Asked, intent: _Name) -> Examples:
        """Replace them, or add the intent. A text may be an example of one intent only."""
        data = await _body(request, Examples)
        tenant = admin_tenant(request)
        await intents.put(tenant, {intent: data.examples})
        return Examples((await intents.examples(tenant)).get(intent, []))

    @delete(
        "/examples/{intent:str}",
        operation_id="deleteIntent",
        summary="Remove an intent",
        responses=problems(400, 401, 403),
    )
    async def remove(request: _Asked, intent: _Name) -> None:
        """Remove its examples; no error if there are none. It is told apart until the next training."""
        await intents.put(admin_tenant(request), {intent: []})

    @post(
        "/train", status_code=200, operation_id="trainIntents", summary="Train", responses=problems(400, 401, 403, 503)
    )
    async def train(request: _Asked) -> VersionRow:
        """Train on the examples and put the new version into use; answers when that is done."""
        return VersionRow(**shown(await intents.train(admin_tenant(request))))

    @get("/versions", operation_id="listVersions", summary="List the versions", responses=problems(401, 403))
    async def list_versions(request: _Asked) -> list[VersionRow]:
        """What was trained, oldest first."""
        return [VersionRow(**shown(version)) for version in await intents.versions(admin_tenant(request))]

    @post(
        "/versions/{version:int}/use",
        status_code=200,
        operation_id="useVersion",
        summary="Put a version into use",
        responses=problems(400, 401, 403, 404),
    )
    async def use(request: _Asked, version: _Number) -> list[VersionRow]:
        """Roll back to a version, or forward. The next message is recognised by it."""
        tenant = admin_tenant(request)
        await intents.rollback(tenant, version)
        return [VersionRow(**shown(found)) for found in await intents.versions(tenant)]

    @post(
        "/try", status_code=200, operation_id="tryIntents", summary="Try a text", responses=problems(400, 401, 403, 404)
    )
    async def attempt(request: _Asked) -> Answer:
        """What the version in use takes the text for."""
        data = await _body(request, Question)
        found = await intents.recognise(admin_tenant(request), data.text)
        if found is None:
            raise NotFound("No intent can be told: nothing is trained, or the model is away.", code="no_intents")
        return Answer(found.intent, found.probability, found.inside, found.alternatives, found.version)

    return Router(
        "/api/admin/intents",
        guards=[admin_only],
        request_max_body_size=BODY_BYTES,
        tags=["admin"],
        security=SECURITY,
        route_handlers=[
            list_intents, put_all, read_examples, put_examples, remove, train, list_versions, use, attempt,
        ],
    )  # fmt: skip


_Body = Any


async def _body(request: _Asked, kind: type[_Body]) -> _Body:
    """The body as this type; deep nesting or bytes that are no UTF-8 are the sender's fault."""
    try:
        return msgspec.json.decode(await request.body(), type=kind)
    except msgspec.ValidationError as error:
        raise BadRequest(f"{error}.", code="invalid_request") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadRequest("The body is not valid JSON.", code="invalid_json") from None
