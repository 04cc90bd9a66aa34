"""The official client in its two forms, under one shape: a case is written once and runs on both."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

import openai
from openai.types import CreateEmbeddingResponse, Model, ModerationCreateResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk


class Caller(Protocol):
    """What the tests need of a client."""

    async def chat(self, **body: Any) -> ChatCompletion: ...
    async def stream(self, take: int | None = None, **body: Any) -> list[ChatCompletionChunk]: ...
    async def embeddings(self, **body: Any) -> CreateEmbeddingResponse: ...
    async def models(self) -> list[Model]: ...
    async def model(self, name: str) -> Model: ...
    async def moderations(self, **body: Any) -> ModerationCreateResponse: ...
    async def close(self) -> None: ...


class AsyncCaller:
    """`AsyncOpenAI`."""

    def __init__(self, **options: Any) -> None:
        self._client = openai.AsyncOpenAI(**options)

    async def chat(self, **body: Any) -> ChatCompletion:
        return await self._client.chat.completions.create(**body)

    async def stream(self, take: int | None = None, **body: Any) -> list[ChatCompletionChunk]:
        """The chunks; with `take` the stream is closed after so many."""
        chunks = []
        async with await self._client.chat.completions.create(stream=True, **body) as stream:
            async for chunk in stream:
                chunks.append(chunk)
                if len(chunks) == take:
                    break
        return chunks

    async def embeddings(self, **body: Any) -> CreateEmbeddingResponse:
        return await self._client.embeddings.create(**body)

    async def models(self) -> list[Model]:
        return [model async for model in self._client.models.list()]

    async def model(self, name: str) -> Model:
        return await self._client.models.retrieve(name)

    async def moderations(self, **body: Any) -> ModerationCreateResponse:
        return await self._client.moderations.create(**body)

    async def close(self) -> None:
        await self._client.close()


class SyncCaller:
    """`OpenAI`, in a thread where it may block."""

    def __init__(self, **options: Any) -> None:
        self._client = openai.OpenAI(**options)

    async def chat(self, **body: Any) -> ChatCompletion:
        return await asyncio.to_thread(self._client.chat.completions.create, **body)

    async def stream(self, take: int | None = None, **body: Any) -> list[ChatCompletionChunk]:
        """The chunks; with `take` the stream is closed after so many."""

        def read() -> list[ChatCompletionChunk]:
            chunks = []
            with self._client.chat.completions.create(stream=True, **body) as stream:
                for chunk in stream:
                    chunks.append(chunk)
                    if len(chunks) == take:
                        break
            return chunks

        return await asyncio.to_thread(read)

    async def embeddings(self, **body: Any) -> CreateEmbeddingResponse:
        return await asyncio.to_thread(self._client.embeddings.create, **body)

    async def models(self) -> list[Model]:
        return await asyncio.to_thread(lambda: list(self._client.models.list()))

    async def model(self, name: str) -> Model:
        return await asyncio.to_thread(self._client.models.retrieve, name)

    async def moderations(self, **body: Any) -> ModerationCreateResponse:
        return await asyncio.to_thread(self._client.moderations.create, **body)

    async def close(self) -> None:
        await asyncio.to_thread(self._client.close)
