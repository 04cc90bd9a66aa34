"""Bodies of /v1: what is refused, and that what goes upstream is what came."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xiaoer_server.errors import BadRequest
from xiaoer_server.llm.request import ABSENT, read_chat, read_embeddings, read_moderation

MESSAGES = '"messages":[{"role":"user","content":"你好"}]'
USAGE = {"include_usage": True}


def chat(extra: str = "", model: str = "m") -> bytes:
    return f'{{"model":"{model}",{MESSAGES}{"," + extra if extra else ""}}}'.encode()


def refused(body: bytes, code: str = "invalid_request_error") -> BadRequest:
    with pytest.raises(BadRequest) as caught:
        read_chat(body)
    assert caught.value.code == code
    assert len(caught.value.message) < 400
    return caught.value


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" \n",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        chat() + b"x",
        chat() + b"{}",
        chat() + b"\0",
        chat() + b"\x0c",
        b"\xef\xbb\xbf" + chat(),
        chat().decode().encode("utf-16"),
        chat('"x":1,"x":2'),
        chat('"model":"other"'),
        chat('"x":[{"y":{"z":1,"z":2}}]'),
        chat('"x":{"a":1,"\\u0061":2}'),
        b'{"model":"m","messages":[{"role":"user","content":"a","content":"b"}]}',
        chat('"x":NaN'),
        chat('"x":Infinity'),
        chat('"x":[-Infinity]'),
        chat('"x":"\\ud800"'),
        chat('"x":"\\udc00\\ud800"'),
        chat('"\\udfff":1'),
        chat('"x":"\x01"'),
        chat().replace("你".encode(), b"\xff"),
        chat().replace("你".encode(), b"\xed\xa0\x80"),
        chat().replace(b"role", b"r\xffle"),
        chat('"x":' + "[" * 10_000 + "]" * 10_000),
        chat('"x":' + '{"a":' * 10_000 + "1" + "}" * 10_000),
        b"[" * 1_000_000,
        chat('"x":01'),
        chat('"x":+1'),
        chat('"x":[1,]'),
        chat('"x":1,'),
        chat('"x":/**/1'),
        chat("'x':1"),
    ],
    ids=lambda body: repr(body[:60]),
)
def test_what_is_not_strict_json_is_refused(body: bytes) -> None:
    refused(body, "invalid_json")


def test_two_hundred_levels_are_read() -> None:
    body = chat('"x":' + "[" * 199 + "]" * 199)
    assert read_chat(body).upstream_body("other") == body.replace(b'"m"', b'"other"')


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"{}", "model"),
        (b'{"model":"m"}', "messages"),
        (chat(model=""), "model"),
        (chat().replace(b'"m"', b"1"), "model"),
        (b'{"model":null,"messages":[]}', "model"),
        (b'{"model":"m","messages":[]}', "messages"),
        (b'{"model":"m","messages":{}}', "messages"),
        (b'{"model":"m","messages":["hi"]}', "messages[0]"),
        (b'{"model":"m","messages":[{"content":"hi"}]}', "messages[0].role"),
        (b'{"model":"m","messages":[{"role":1}]}', "messages[0].role"),
        (
            b'{"model":"m","messages":[{"role":"user","content":"a"},{"role":"user","content":1}]}',
            "messages[1].content",
        ),
        (b'{"model":"m","messages":[{"role":"user","content":[1]}]}', "messages[0].content[0]"),
        (
            b'{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":["a"]}]}]}',
            "messages[0].content[0].text",
        ),
        (chat('"stream":1'), "stream"),
        (chat('"stream":"true"'), "stream"),
        (chat('"stream_options":true'), "stream_options"),
        (chat('"stream_options":{"include_usage":1}'), "stream_options.include_usage"),
        (chat('"n":0'), "n"),
        (chat('"n":129'), "n"),
        (chat('"n":true'), "n"),
        (chat('"n":1.0'), "n"),
        (chat('"logprobs":1'), "logprobs"),
        (chat('"max_tokens":-2'), "max_tokens"),
        (chat('"max_tokens":1e999'), "max_tokens"),
        (chat('"max_tokens":' + "9" * 400), "max_tokens"),
        (chat('"max_completion_tokens":-1'), "max_completion_tokens"),
        (chat('"temperature":"hot"'), "temperature"),
        (chat('"temperature":true'), "temperature"),
        (chat('"temperature":2.01'), "temperature"),
        (chat('"temperature":-0.1'), "temperature"),
        (chat('"temperature":1e999'), "temperature"),
        (chat('"temperature":' + "9" * 400), "temperature"),
        (chat('"user":1'), "user"),
    ],
)
def test_wrong_fields_are_named(body: bytes, param: str) -> None:
    error = refused(body)
    assert error.param == param
    assert f"'{param}'" in error.message


@pytest.mark.parametrize(
    "name",
    [
        *("api_key", "api_base", "base_url", "base_urls", "extra_headers", "extra_body", "headers", "organization"),
        *("api_version", "timeout", "API_KEY", "Api-Base", "litellm_params", "aws_anything", "fallbacks", "proxy"),
        *("Model", "MESSAGES", "Stream", "me\u017f\u017fages"),
    ],
)
def test_fields_that_steer_the_upstream_are_refused(name: str) -> None:
    assert refused(chat(f'"{name}":"http://evil"'), "unsupported_parameter").param == name


@pytest.mark.parametrize("name", ["api_key", "base_url", "Input", "MODEL"])
def test_the_other_routes_refuse_them_too(name: str) -> None:
    body = f'{{"model":"m","input":"a","{name}":"x"}}'.encode()
    for read in (read_embeddings, read_moderation):
        with pytest.raises(BadRequest) as caught:
            read(body)
        assert (caught.value.code, caught.value.param) == ("unsupported_parameter", name)


@pytest.mark.parametrize(
    "message",
    [
        '{"role":"system","Role":"user","content":"a"}',
        '{"role":"user","content":"a","CONTENT":"b"}',
        '{"role":"user","content":[{"type":"text","text":"a","Text":"b"}]}',
    ],
)
def test_other_spellings_inside_messages_are_refused(message: str) -> None:
    refused(f'{{"model":"m","messages":[{message}]}}'.encode(), "unsupported_parameter")


def test_nothing_private_is_repeated_in_a_refusal() -> None:
    error = refused(chat('"user":{"secret":"sk-hidden"}'))
    assert "hidden" not in error.message
    refused(chat('"' + "k" * 100_000 + '":1,"' + "k" * 100_000 + '":1'), "invalid_json")


def test_the_rest_passes() -> None:
    call = read_chat(chat('"tools":[{"type":"function"}],"top_k":5,"n":null,"temperature":null,"stream":null,"n_":[]'))
    assert (call.model, call.stream, call.include_usage, call.choices, call.logprobs) == ("m", False, False, 1, False)
    call = read_chat(chat('"stream":true,"stream_options":{"include_usage":true},"n":3,"logprobs":true'))
    assert (call.stream, call.include_usage, call.choices, call.logprobs) == (True, True, 3, True)


def test_user_texts_are_those_of_people_and_tools() -> None:
    messages = [
        {"role": "system", "content": "s"},
        {"role": "developer", "content": "d"},
        {"role": "assistant", "content": "a"},
        {"role": "assistant", "content": None, "tool_calls": []},
        {"role": "user", "content": "u1"},
        {"role": "user", "content": [{"type": "text", "text": "u2"}, {"type": "image_url", "image_url": {}}, "u3"]},
        {"role": "tool", "content": "t1"},
        {"role": "tool", "content": [{"type": "text", "text": "t2"}]},
        {"role": "function", "content": "f"},
        {"role": "USER", "content": "u4"},
        {"role": "user"},
        {"role": "user", "content": []},
    ]
    call = read_chat(json.dumps({"model": "m", "messages": messages}).encode())
    assert list(call.user_texts()) == ["u1", "u2", "u3", "t1", "t2", "f", "u4"]


def test_an_unchanged_body_is_the_same_object() -> None:
    body = chat() + b" \n"
    assert read_chat(body).upstream_body("m") is body
    asked = chat('"stream":true,"stream_options":{"include_usage":true}')
    assert read_chat(asked).upstream_body("m") is asked
    assert read_chat(body).upstream_body("m", {"seed": ABSENT}) is body


@pytest.mark.parametrize("end", [b"", b" ", b"\n\r\t "])
def test_a_stream_is_asked_for_its_usage(end: bytes) -> None:
    body = chat('"stream":true') + end
    made = read_chat(body).upstream_body("m")
    assert made.startswith(body.rstrip()[:-1])
    assert json.loads(made) == json.loads(body) | {"stream_options": USAGE}
    body = chat('"stream":true,"stream_options":null') + end
    assert json.loads(read_chat(body).upstream_body("m"))["stream_options"] == USAGE
    body = chat('"stream":true,"stream_options":{"x":1e999}')
    assert b'"stream_options":{"x":1e999,"include_usage":true}' in read_chat(body).upstream_body("m")
    body = chat('"stream":true,"stream_options":{"include_usage":false}')
    assert json.loads(read_chat(body).upstream_body("n"))["stream_options"] == USAGE


NUMBERS = ["1e999", "-1e999", "9" * 400, "1e-999", "0.1000000000000000055511151231257827", "-0", "1E5", "1.0"]


@pytest.mark.parametrize("number", NUMBERS)
def test_numbers_go_on_as_they_are_written(number: str) -> None:
    extra = f'"x":[{number}],"seed":{number}'
    call = read_chat(chat(extra))
    for made in (call.upstream_body("m"), call.upstream_body("other"), call.upstream_body("m", {"temperature": 0.4})):
        assert extra.encode() in made
    refused(chat(f'"x":{"9" * 5_000}'), "invalid_json")


def test_changes() -> None:
    call = read_chat(chat('"temperature":1.5,"user":"u","seed":1'))
    assert json.loads(call.upstream_body("m", {"temperature": 0.4, "user": ABSENT, "top_p": 1})) == {
        "model": "m",
        "messages": [{"role": "user", "content": "你好"}],
        "temperature": 0.4,
        "seed": 1,
        "top_p": 1,
    }
    assert call.upstream_body("m", {"top_p": msgspec.Raw(b"1e999")}) == call.body[:-1] + b',"top_p":1e999}'
    assert json.loads(call.upstream_body("other")) == json.loads(call.body) | {"model": "other"}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
NAMES = st.text(max_size=8).map(lambda name: "x_" + name)


@given(
    extra=st.dictionaries(NAMES, VALUES, max_size=5),
    changes=st.dictionaries(NAMES, VALUES, max_size=3),
    replaced=st.booleans(),
    model=st.sampled_from(["m", "提供商/模型"]),
    stream=st.booleans(),
    ascii_only=st.booleans(),
    indent=st.sampled_from([None, 1]),
    end=st.sampled_from(["", " ", "\n\n"]),
)
def test_the_upstreams_body_is_the_callers_with_the_changes(
    extra: dict[str, Any],
    changes: dict[str, Any],
    replaced: bool,
    model: str,
    stream: bool,
    ascii_only: bool,
    indent: int | None,
    end: str,
) -> None:
    if replaced:
        changes |= dict.fromkeys(list(extra)[:2], "new")
    fields = {"model": "m", "messages": [{"role": "user", "content": "}"}], **extra, "stream": stream}
    try:
        body = (json.dumps(fields, ensure_ascii=ascii_only, indent=indent) + end).encode()
    except UnicodeEncodeError:
        return
    wanted = fields | changes | {"model": model} | ({"stream_options": USAGE} if stream else {})
    assert json.loads(read_chat(body).upstream_body(model, changes)) == wanted


def test_a_large_body_is_copied_only_by_the_parser() -> None:
    image = "data:image/png;base64," + "A" * 8_000_000
    part = {"type": "image_url", "image_url": {"url": image}}
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": [part]}], "stream": True}).encode()
    del image, part
    tracemalloc.start()
    try:
        call = read_chat(body)
        assert tracemalloc.get_traced_memory()[1] < 1.05 * len(body)
        assert call.include_usage is False
        tracemalloc.reset_peak()
        assert len(call.upstream_body("m")) > len(body)
        assert tracemalloc.get_traced_memory()[1] < 2.05 * len(body)
        tracemalloc.reset_peak()
        assert len(call.upstream_body("other")) > len(body)
        assert tracemalloc.get_traced_memory()[1] < 3.2 * len(body)
    finally:
        tracemalloc.stop()


def test_embeddings() -> None:
    body = b'{"model":"e","input":["a","b"],"dimensions":8}'
    call = read_embeddings(body)
    assert call.model == "e"
    assert call.upstream_body("e") is body
    assert call.upstream_body("f") == b'{"model":"f","input":["a","b"],"dimensions":8}'
    assert read_embeddings(b'{"model":"e","input":[[1,2],[3]]}').fields["input"] == [[1, 2], [3]]
    for wrong in (b'{"model":"e"}', b'{"model":"e","input":[]}', b'{"model":"e","input":1}'):
        with pytest.raises(BadRequest) as caught:
            read_embeddings(wrong)
        assert caught.value.param == "input"


def test_moderation() -> None:
    assert read_moderation(b'{"input":"a"}').model == ""
    call = read_moderation(b'{"input":["a"],"model":"omni-moderation-latest"}')
    assert (call.model, call.input) == ("omni-moderation-latest", ["a"])
    with pytest.raises(BadRequest) as caught:
        read_moderation(b'{"input":"a","model":""}')
    assert caught.value.param == "model"
