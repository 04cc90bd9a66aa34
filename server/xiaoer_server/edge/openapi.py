"""What of the schema Litestar cannot read off the handlers."""

from __future__ import annotations

from dataclasses import dataclass

from litestar.datastructures import CacheControlHeader
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import (
    OpenAPIFormat,
    OpenAPIMediaType,
    OpenAPIResponse,
    OpenAPIType,
    Operation,
    Parameter,
    RequestBody,
    Schema,
)

from .problem import Problem, phrase

NO_STORE = CacheControlHeader(no_store=True)

Responses = dict[int, ResponseSpec]


def problems(*statuses: int) -> Responses:
    """The refusals of an operation. 408, 413 and 431 may answer any request."""
    return {
        status: ResponseSpec(
            Problem, description=phrase(status), media_type="application/problem+json", generate_examples=False
        )
        for status in sorted({*statuses, 408, 413, 431})
    }


_NUMBER = Schema(type=OpenAPIType.INTEGER, minimum=1)
_TEXT = Schema(type=OpenAPIType.STRING)
_POSTED = Schema(
    type=OpenAPIType.OBJECT,
    title="Posted",
    properties={"seq": _NUMBER},
    required=["seq"],
    description="Where the message stands in the conversation's log.",
)
_SOURCE = Schema(type=OpenAPIType.OBJECT, properties={"title": _TEXT, "url": _TEXT}, required=["title", "url"])
_MESSAGE = Schema(
    type=OpenAPIType.OBJECT,
    title="Message",
    properties={
        "type": Schema(type=OpenAPIType.STRING, const="message"),
        "seq": _NUMBER,
        "role": Schema(type=OpenAPIType.STRING, enum=["visitor", "assistant", "agent", "system"]),
        "text": _TEXT,
        "at": Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.DATE_TIME),
        "client_id": _TEXT,
        "status": Schema(type=OpenAPIType.STRING, const="interrupted"),
        "sources": Schema(type=OpenAPIType.ARRAY, items=_SOURCE),
    },
    required=["type", "seq", "role", "text", "at"],
)
_PAGE = Schema(
    type=OpenAPIType.OBJECT,
    title="Page",
    properties={
        "messages": Schema(type=OpenAPIType.ARRAY, items=_MESSAGE),
        "more": Schema(type=OpenAPIType.BOOLEAN, description="Whether older entries exist."),
    },
    required=["messages", "more"],
)


#: Any text without a NUL; such a text that is not blank.
_NO_NUL = r"^[^\u0000]*$"
_NOT_BLANK = r"^[^\u0000]*[^\u0000\s][^\u0000]*$"


def _name(longest: int, description: str) -> Schema:
    kind = [OpenAPIType.STRING, OpenAPIType.NULL]
    return Schema(type=kind, min_length=1, max_length=longest, pattern=_NO_NUL, description=description)


@dataclass
class OpenSession(Operation):
    """The operation with its body, which its handler reads by itself."""

    def __post_init__(self) -> None:
        flat = [OpenAPIType.STRING, OpenAPIType.NUMBER, OpenAPIType.BOOLEAN, OpenAPIType.NULL]
        body = Schema(
            type=OpenAPIType.OBJECT,
            title="SessionRequest",
            properties={
                "tenant": _name(64, "The shop; the first configured one by default."),
                "visitor": _name(
                    128, "The site's own name for the visitor, or our id; opens nothing without that visitor's token."
                ),
                "profile": Schema(
                    type=[OpenAPIType.OBJECT, OpenAPIType.NULL],
                    property_names=Schema(type=OpenAPIType.STRING, pattern=_NO_NUL),
                    additional_properties=Schema(type=flat, pattern=_NO_NUL),
                    description="What agents get to see: flat, at most 4 KiB.",
                ),
            },
            additional_properties=False,
        )
        self.request_body = RequestBody(content={"application/json": OpenAPIMediaType(schema=body)}, required=False)


def post_message(text_chars: int) -> type[Operation]:
    """The operation with its body, which its handler reads by itself."""
    body = Schema(
        type=OpenAPIType.OBJECT,
        title="MessageFrame",
        properties={
            "type": Schema(type=OpenAPIType.STRING, const="message"),
            "client_id": Schema(
                type=OpenAPIType.STRING,
                min_length=1,
                max_length=64,
                pattern="^[ -~]+$",
                description="The visitor's own key, which makes a resend idempotent.",
            ),
            "text": Schema(
                type=OpenAPIType.STRING,
                min_length=1,
                max_length=text_chars,
                pattern=_NOT_BLANK,
                description="In code points; longer ones are refused with 413.",
            ),
        },
        required=["client_id", "text"],
    )

    @dataclass
    class PostMessage(Operation):
        def __post_init__(self) -> None:
            self.request_body = RequestBody(content={"application/json": OpenAPIMediaType(schema=body)}, required=True)
            _set_response(self, "application/json", _POSTED, "On the disk.")

    return PostMessage


@dataclass
class GiveFeedback(Operation):
    """The operation with its body, which its handler reads by itself."""

    def __post_init__(self) -> None:
        body = Schema(
            type=OpenAPIType.OBJECT,
            title="Opinion",
            properties={
                "seq": Schema(
                    type=OpenAPIType.INTEGER, minimum=0, maximum=2**53 - 1, description="The answer's entry."
                ),
                "value": Schema(type=OpenAPIType.STRING, enum=["up", "down"]),
            },
            required=["seq", "value"],
            additional_properties=False,
        )
        self.request_body = RequestBody(content={"application/json": OpenAPIMediaType(schema=body)}, required=True)


@dataclass
class ReadMessages(Operation):
    """The operation with the shape of its frames, which are encoded before Litestar sees them."""

    def __post_init__(self) -> None:
        _set_response(self, "application/json", _PAGE, "A part of the conversation.")


@dataclass
class StreamEvents(Operation):
    """The operation with the parameters that its handler reads by itself."""

    def __post_init__(self) -> None:
        position = Schema(type=OpenAPIType.STRING, pattern="^[0-9]{1,15}(:[0-9]{1,15})?$")
        self.parameters = [
            Parameter(
                name="Last-Event-ID", param_in="header", schema=position, description="Where to go on: an event's id."
            ),
            Parameter(
                name="token",
                param_in="query",
                schema=_TEXT,
                description="The token, for an EventSource, which cannot set headers.",
            ),
            Parameter(
                name="html",
                param_in="query",
                schema=Schema(type=OpenAPIType.STRING, enum=["1"]),
                description="Whether answers also come as sanitized HTML.",
            ),
        ]
        _set_response(self, "text/event-stream", _TEXT, "Frames as events, without an end.")


@dataclass
class Probe(Operation):
    """A probe's answer."""

    def __post_init__(self) -> None:
        said = Schema(type=OpenAPIType.OBJECT, properties={"status": _TEXT}, required=["status"])
        _set_response(self, "application/json", said, "Yes.")


@dataclass
class Metrics(Operation):
    """Prometheus' answer."""

    def __post_init__(self) -> None:
        _set_response(self, "text/plain", _TEXT, "Counters, gauges, histograms.")


def _set_response(operation: Operation, media_type: str, schema: Schema, description: str) -> None:
    assert operation.responses is not None
    content = {media_type: OpenAPIMediaType(schema=schema)}
    operation.responses["200"] = OpenAPIResponse(description=description, content=content)
