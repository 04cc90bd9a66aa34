"""What `encode_sse` writes, on each backend."""

from types import ModuleType
from typing import Any

import pytest


@pytest.mark.parametrize(
    ("arguments", "wire"),
    [
        (("x",), b"data: x\n\n"),
        ((b"x",), b"data: x\n\n"),
        (("",), b"data: \n\n"),
        ((" x",), b"data:  x\n\n"),
        (("好",), "data: 好\n\n".encode()),
        (("a\nb\rc\r\nd",), b"data: a\ndata: b\ndata: c\ndata: d\n\n"),
        (("a\n",), b"data: a\ndata: \n\n"),
        (("\r\n\r\n",), b"data: \ndata: \ndata: \n\n"),
        (("\n\r",), b"data: \ndata: \ndata: \n\n"),
        (("a\r",), b"data: a\ndata: \n\n"),
        (("x", "delta", "5:3"), b"event: delta\nid: 5:3\ndata: x\n\n"),
        (("x", None, ""), b"id: \ndata: x\n\n"),
        (("x", "", None), b"event: \ndata: x\n\n"),
        ((b"\xff\x00", "é"), b"event: \xc3\xa9\ndata: \xff\x00\n\n"),
        (("a\x85b\u2028c\x0bd",), "data: a\x85b\u2028c\x0bd\n\n".encode()),
    ],
)
def test_wire_form(xiaoer: ModuleType, arguments: tuple[Any, ...], wire: bytes) -> None:
    assert xiaoer.encode_sse(*arguments) == wire


def test_names(xiaoer: ModuleType) -> None:
    assert xiaoer.encode_sse(data="x", id="1", event="e") == b"event: e\nid: 1\ndata: x\n\n"


@pytest.mark.parametrize("field", ["event", "id"])
@pytest.mark.parametrize("value", ["a\nb", "a\r", "\r\n"])
def test_a_line_end_would_forge_a_field(xiaoer: ModuleType, field: str, value: str) -> None:
    with pytest.raises(ValueError, match=f"{field} must not contain"):
        xiaoer.encode_sse("x", **{field: value})


def test_a_reader_would_ignore_an_id_with_nul(xiaoer: ModuleType) -> None:
    with pytest.raises(ValueError, match="id must not contain"):
        xiaoer.encode_sse("x", id="a\0")
    assert xiaoer.encode_sse("x", event="a\0") == b"event: a\0\ndata: x\n\n"


@pytest.mark.parametrize("arguments", [("\ud800",), ("x", "\ud800"), ("x", None, "\udfff")], ids=ascii)
def test_lone_surrogates_have_no_utf_8(xiaoer: ModuleType, arguments: tuple[Any, ...]) -> None:
    with pytest.raises(UnicodeEncodeError):
        xiaoer.encode_sse(*arguments)


@pytest.mark.parametrize("wrong", [None, 5, bytearray(b"x"), ["x"]], ids=repr)
def test_wrong_types(xiaoer: ModuleType, wrong: Any) -> None:
    with pytest.raises(TypeError):
        xiaoer.encode_sse(wrong)
    if wrong is not None:
        with pytest.raises(TypeError):
            xiaoer.encode_sse("x", wrong)
