"""Cases from bytes: the shape that fuzzers mutate well."""

from typing import TypeVar

T = TypeVar("T")


class Reader:
    """Reads a case front to back; behind the end there are zeros."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def __bool__(self) -> bool:
        """Whether anything is left."""
        return self.at < len(self.data)

    def byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1] if self.at <= len(self.data) else 0

    def below(self, end: int) -> int:
        return self.byte() % end

    def choice(self, values: list[T]) -> T:
        return values[self.below(len(values))]

    def take(self, count: int) -> bytes:
        self.at += count
        return self.data[self.at - count : self.at]

    def rest(self) -> bytes:
        return self.take(max(0, len(self.data) - self.at))

    def text(self, letters: str, longest: int) -> str:
        """Up to `longest` of these characters."""
        return "".join(letters[self.below(len(letters))] for _ in range(self.below(longest + 1)))
