"""The routes under /v1 for the application and its schema; what answers them is in `gateway`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from litestar import get, post
from litestar.openapi.spec import OpenAPIMediaType, OpenAPIType, Operation, RequestBody, Schema
from litestar.types import ASGIApp, ControllerRouterHandler

from .bridge import Bridge
from .gateway import gateway_routes, model

if TYPE_CHECKING:
    from .context import EdgeContext

_BODY = RequestBody(
    content={"application/json": OpenAPIMediaType(Schema(type=OpenAPIType.OBJECT))},
    description="As OpenAI's API documents it.",
    required=True,
)


@dataclass
class _Post(Operation):
    def __post_init__(self) -> None:
        self.request_body = _BODY


def gateway_handlers(context: EdgeContext) -> list[ControllerRouterHandler]:
    """The handlers, none where the gateway is off."""
    gateway = context.gateway
    if gateway is None:
        return []
    routes = gateway_routes(context, gateway)
    size = gateway.settings.body_bytes
    shared: dict[str, Any] = {"tags": ["gateway"], "security": [{"key": []}]}

    chat_bridge = Bridge(routes[b"POST", b"/v1/chat/completions"], size)
    embeddings_bridge = Bridge(routes[b"POST", b"/v1/embeddings"], size)
    moderations_bridge = Bridge(routes[b"POST", b"/v1/moderations"], size)
    models_bridge = Bridge(routes[b"GET", b"/v1/models"], 0)
    model_bridge = Bridge(model(context, gateway), 0)

    @post(
        "/v1/chat/completions",
        status_code=200,
        operation_id="createChatCompletion",
        summary="Ask a model",
        operation_class=_Post,
        **shared,
    )
    async def chat_completions() -> ASGIApp:
        """OpenAI's chat completions, streamed where `stream` is true."""
        return chat_bridge

    @post(
        "/v1/embeddings",
        status_code=200,
        operation_id="createEmbedding",
        summary="Embed texts",
        operation_class=_Post,
        **shared,
    )
    async def embeddings() -> ASGIApp:
        """OpenAI's embeddings."""
        return embeddings_bridge

    @post(
        "/v1/moderations",
        status_code=200,
        operation_id="createModeration",
        summary="Hold texts to the word filter",
        operation_class=_Post,
        **shared,
    )
    async def moderations() -> ASGIApp:
        """The tenant's word filter, its verdict in OpenAI's shape."""
        return moderations_bridge

    @get("/v1/models", operation_id="listModels", summary="List the models", **shared)
    async def models() -> ASGIApp:
        """The models that the key may use."""
        return models_bridge

    @get("/v1/models/{name:path}", operation_id="retrieveModel", summary="Look at one model", **shared)
    async def one_model(name: str) -> ASGIApp:
        """A model that the key may use."""
        return model_bridge

    return [chat_completions, embeddings, moderations, models, one_model]
