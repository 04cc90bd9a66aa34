"""`chat_delta` on what model servers send, and on what they shouldn't; on each backend."""

from types import ModuleType
from typing import Any

import pytest

OPENAI = (
    b'{"id":"chatcmpl-123","object":"chat.completion.chunk","created":1694268190,"model":"gpt-4o-mini",'
    b'"system_fingerprint":"fp_44709d6fcb","choices":[{"index":0,"delta":%b,"logprobs":null,"finish_reason":%b}]}'
)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (OPENAI % (b'{"role":"assistant","content":""}', b"null"), ""),
        (OPENAI % (b'{"content":"Hello"}', b"null"), "Hello"),
        (OPENAI % ('{"content":"您好，"}'.encode(), b"null"), "您好，"),
        (OPENAI % (b'{"content":"a\\n\\n\\"b\\" \\u4f60 \\ud83d\\ude00 \\\\"}', b"null"), 'a\n\n"b" 你 😀 \\'),
        (OPENAI % ('{"content":"\\n好"}'.encode(), b"null"), "\n好"),
        (OPENAI % (b"{}", b'"stop"'), None),
        (OPENAI % (b"null", b'"stop"'), None),
        (OPENAI % (b'{"content":null}', b"null"), None),
        (OPENAI % ('{"content":null,"reasoning_content":"想"}'.encode(), b"null"), None),
        (OPENAI % (b'{"tool_calls":[{"index":0,"function":{"arguments":"{\\"a\\":1}"}}]}', b"null"), None),
        (OPENAI % (b'{"content":"x","content":"y"}', b"null"), "y"),
        (OPENAI % (b'{"content":"x","content":null}', b"null"), None),
        (OPENAI % (b'{"\\u0063ontent":"x"}', b"null"), "x"),
        (b'{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":12.5e0,"total_tokens":-0}}', None),
        (b'{"choices":null}', None),
        (b"{}", None),
        (b'{"choices":[null]}', None),
        (b'{"choices":[{"delta":{"content":"a"}},{"delta":{"content":"b"}}]}', "a"),
        (b'{"choices":[{"index":1,"delta":{"content":"b"}},{"index":0,"delta":{"content":"a"}}]}', "b"),
        (b'{"choices":[],"choices":[{"delta":{"content":"a"}}]}', "a"),
        (b'{"choices":[{"delta":{"content":"a"},"delta":{}}]}', None),
        (b' \n{ "choices" : [ { "delta" : { "content" : "a" } } ] }\r\n\t', "a"),
        (b'{"delta":{"content":"no"},"content":"no","x":{"choices":[{"delta":{"content":"no"}}]}}', None),
        (b'{"choices":[{"message":{"content":"whole"},"delta":{"content":"\x7f"}}]}', "\x7f"),
        (b'{"x":[[],{},[1,-2.50,true,false,null,"s"]],"choices":[{"delta":{"content":"a"}}]}', "a"),
        (b'{"choices":[{"delta":{"content":"\\u0000"}}]}', "\0"),
    ],
)
def test_text(xiaoer: ModuleType, data: bytes, text: str | None) -> None:
    assert xiaoer.chat_delta(data) == text


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" ",
        b"[DONE]",
        b"null",
        b"[]",
        b'"x"',
        b"5",
        b"{",
        b'{"choices":[{"delta":{"content":"a"}}]',
        b'{"choices":[{"delta":{"content":"a}}]}',
        b'{"choices":[{"delta":{"content":"a"}}]}}',
        b'{"choices":[{"delta":{"content":"a"}}]},',
        b'{"choices":[{"delta":{"content":"a"},}]}',
        b'{"choices":[{"delta":{"content":"a"}},]}',
        b"{'choices':[]}",
        b"{choices:[]}",
        b'{"choices":[{"delta":{"content":"\n"}}]}',
        b'{"choices":[{"delta":{"content":"\\x"}}]}',
        b'{"choices":[{"delta":{"content":"\\"}}]}',
        b'{"choices":[{"delta":{"content":"\\ud800"}}]}',
        b'{"choices":[{"delta":{"content":"\xff"}}]}',
        b'{"choices":[{"delta":{"content":"\xed\xa0\x80"}}]}',
        b'{"choices":[{"delta":{"content":"a"}}],"x":"\xff"}',
        b'{"choices":[{"delta":{"content":"a"}}],"x":01}',
        b'{"choices":[{"delta":{"content":"a"}}],"x":1.}',
        b'{"choices":[{"delta":{"content":"a"}}],"x":.5}',
        b'{"choices":[{"delta":{"content":"a"}}],"x":-}',
        b'{"choices":[{"delta":{"content":"a"}}],"x":1e}',
        b'{"choices":[{"delta":{"content":"a"}}],"x":1e999}',
        b'{"choices":[{"delta":{"content":"a"}}],"x":nul}',
        b'{"choices":[{"delta":{"content":"a"}}],"x":NaN}',
        b'{"choices":[{"delta":{"content":"a"}}],"x"}',
        b'{"choices":[{"delta":{"content":"a"}}],"x":}',
        b'{"choices":[{"delta":{"content":"a"}}] "x":1}',
        b'\xef\xbb\xbf{"choices":[]}',
        b'{"choices":[{"delta":{"content":5}}]}',
        b'{"choices":[{"delta":{"content":["a"]}}]}',
        b'{"choices":[{"delta":"a"}]}',
        b'{"choices":[{"delta":[]}]}',
        b'{"choices":["a"]}',
        b'{"choices":{"delta":{"content":"a"}}}',
        b'{"choices":"a"}',
        b"[" * 100_000,
        b'{"x":' * 100_000,
        b'{"choices":[{"delta":{"content":"a"}}],"x":' + b"9" * 10_000 + b"}",
    ],
    ids=lambda data: repr(data[-40:]),
)
def test_invalid(xiaoer: ModuleType, data: bytes) -> None:
    with pytest.raises(xiaoer.InvalidDelta):
        xiaoer.chat_delta(data)
    assert issubclass(xiaoer.InvalidDelta, ValueError)


@pytest.mark.parametrize("wrong", [None, "{}", bytearray(b"{}"), 5], ids=repr)
def test_wrong_types(xiaoer: ModuleType, wrong: Any) -> None:
    with pytest.raises(TypeError):
        xiaoer.chat_delta(wrong)
