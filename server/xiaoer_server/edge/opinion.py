"""POST /api/chat/feedback, and what it shares with the `feedback` frame: whether an answer helped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from litestar import Request, post
from litestar.types import ControllerRouterHandler

from ..errors import BadRequest, NotFound
from . import openapi
from .admission import open_conversation
from .exchange import Exchange
from .hot import identify

if TYPE_CHECKING:
    from ..chat.conversation import Conversation
    from .context import EdgeContext


class Opinion(msgspec.Struct, forbid_unknown_fields=True):
    """Whether the answer of entry `seq` helped. JSON has one kind of number, so 3.0 is entry 3."""

    seq: Annotated[float, msgspec.Meta(ge=0, le=2**53 - 1)]
    value: Literal["up", "down"]


_decode = msgspec.json.Decoder(Opinion).decode


async def give(context: EdgeContext, conversation: Conversation, seq: int, value: Literal["up", "down"]) -> None:
    """Pass an opinion on.

    Raises:
        NotFound: entry `seq` is no whole answer (unknown_answer), or opinions are not taken (feedback_off).
    """
    if context.feedback is None:
        raise NotFound("Opinions are not taken here.", code="feedback_off")
    await context.feedback.give(conversation, seq, value)


def feedback_handlers(context: EdgeContext) -> list[ControllerRouterHandler]:
    """The REST counterpart of the frame."""

    @post(
        "/api/chat/feedback",
        status_code=204,
        operation_id="giveFeedback",
        summary="Say whether an answer helped",
        tags=["chat"],
        security=[{"visitor": []}],
        operation_class=openapi.GiveFeedback,
        responses=openapi.problems(400, 401, 403, 404, 429, 503),
    )
    async def give_feedback(request: Request[Any, Any, Any]) -> None:
        """Thumbs up or down for a whole answer of the token's conversation; the last one counts."""
        scope = request.scope
        identity = identify(context, Exchange(b"", b"", b"", list(scope["headers"]), b""))
        client = scope.get("client")
        context.limits.check_message(identity.visitor, client[0] if client else "")
        opinion = _read(await request.body())
        await give(context, await open_conversation(context, identity), int(opinion.seq), opinion.value)

    return [give_feedback]


def _read(body: bytes) -> Opinion:
    try:
        opinion = _decode(body)
        if not opinion.seq.is_integer():
            raise BadRequest("`seq` is a whole number.", code="invalid_request")
        return opinion
    except msgspec.ValidationError as error:
        raise BadRequest(f"{error}.", code="invalid_request") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadRequest("The body is not valid JSON.", code="invalid_json") from None
