"""The filter's verdict, as OpenAI's own client reads it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types import ModerationCreateResponse
from openai.types.moderation import Categories, CategoryAppliedInputTypes, CategoryScores, Moderation

from xiaoer import Word, WordFilter
from xiaoer_server.errors import BadRequest
from xiaoer_server.llm.moderation import CATEGORIES, MAX_CHARS, MAX_TEXTS, MODEL, moderate

WORDS = WordFilter(
    [
        Word("刷单", 3, ("fraud", "illicit"), "block"),
        Word("笨蛋", 1, ("insult", "harassment")),
        Word("kill you", 3, ("violence", "harassment/threatening"), "block"),
        Word("you", 1, ("pronoun",)),
        "casino",
    ]
)


def ask(value: Any, **more: Any) -> ModerationCreateResponse:
    body = moderate(WORDS, json.dumps({"input": value, **more}).encode())
    return ModerationCreateResponse.model_validate(json.loads(body), strict=True)


def flags(result: Moderation) -> set[str]:
    return {name for name, flag in result.categories.model_dump(by_alias=True).items() if flag}


def test_the_field_set_is_openais() -> None:
    for kind in (Categories, CategoryScores, CategoryAppliedInputTypes):
        assert {field.alias or name for name, field in kind.model_fields.items()} == set(CATEGORIES)
    answer = json.loads(moderate(WORDS, b'{"input":"a"}'))
    assert set(answer) == set(ModerationCreateResponse.model_fields)
    assert set(answer["results"][0]) == set(Moderation.model_fields) | {"xiaoer"}
    for part in ("categories", "category_scores", "category_applied_input_types"):
        assert list(answer["results"][0][part]) == list(CATEGORIES)


def test_nothing_found() -> None:
    answer = ask("今天天气很好")
    result = answer.results[0]
    assert (answer.model, result.flagged, flags(result)) == (MODEL, False, set())
    assert set(result.category_scores.model_dump().values()) == {0.0}
    assert result.model_extra == {"xiaoer": {"tags": [], "action": None, "level": 0, "words": 0}}
    assert answer.id.startswith("modr-")
    assert answer.id != ask("今天天气很好").id


def test_each_string_has_its_result_in_order() -> None:
    answer = ask(["你这个笨蛋", "好", "刷 单", "casino"], model="omni-moderation-latest")
    assert answer.model == "omni-moderation-latest"
    assert [result.flagged for result in answer.results] == [True, False, True, True]
    assert [flags(result) for result in answer.results] == [{"harassment"}, set(), {"illicit"}, set()]
    assert answer.results[0].category_scores.harassment == 1.0
    assert answer.results[2].model_extra == {
        "xiaoer": {"tags": ["fraud", "illicit"], "action": "block", "level": 3, "words": 1}
    }
    assert answer.results[3].model_extra == {"xiaoer": {"tags": [], "action": "mask", "level": 1, "words": 1}}


def test_parts_have_one_result_together() -> None:
    parts = [{"type": "text", "text": "I will kill you"}, {"type": "text", "text": "笨蛋"}]
    result = ask(parts).results
    assert len(result) == 1
    assert flags(result[0]) == {"violence", "harassment/threatening", "harassment"}
    assert result[0].model_extra is not None
    assert result[0].model_extra["xiaoer"]["words"] == 3


def test_what_nobody_looked_for_is_said() -> None:
    applied = ask("好").results[0].category_applied_input_types.model_dump(by_alias=True)
    judged = {"illicit", "harassment", "harassment/threatening", "violence"}
    assert {name for name, kinds in applied.items() if kinds == ["text"]} == judged
    assert all(kinds == [] for name, kinds in applied.items() if name not in judged)


@pytest.mark.parametrize(
    ("value", "param"),
    [
        (["a", 1], "input[0]"),
        ([1, 2], "input[0]"),
        ([{"type": "text", "text": "a"}, "b"], "input[1]"),
        ([{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "data:"}}], "input[1]"),
        ([{"type": "audio"}], "input[0].type"),
        ([{"type": "text"}], "input[0].text"),
        ([{"type": "text", "text": None}], "input[0].text"),
        (["a"] * (MAX_TEXTS + 1), "input"),
        ("a" * (MAX_CHARS + 1), "input"),
        (["a" * 200] * 1_000 + ["a"], "input"),
        ([], "input"),
        (None, "input"),
        ({}, "input"),
    ],
)
def test_what_cannot_be_judged_is_refused(value: Any, param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        ask(value)
    assert (caught.value.code, caught.value.param) == ("invalid_request_error", param)
