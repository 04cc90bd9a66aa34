"""Files of flows: what is read, what is refused, and the line that is named."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from xiaoer_server.brain.flow_cases import run_cases
from xiaoer_server.brain.flow_checks import check
from xiaoer_server.brain.flow_draw import draw
from xiaoer_server.brain.flow_file import read_flow
from xiaoer_server.brain.flow_guards import Guard, GuardError
from xiaoer_server.brain.flow_model import Flow, FlowError, Problem
from xiaoer_server.brain.flow_patterns import why_not
from xiaoer_server.brain.flow_schema import Mismatch, SchemaError, check_schema, validate
from xiaoer_server.brain.intent_examples import read as read_intents
from xiaoer_server.cli import main
from xiaoer_server.demo import intents, shop

BASE = """\
flow: size
title: {zh: 尺寸, en: size}
languages: [zh, en]
start: {intents: [size], phrases: {zh: [尺寸], en: [size]}}
slots:
  order: {type: order_number}
states:
  ask:
    ask: order
    prompt: {zh: 订单号是, en: Which order}
    go:
      - {on: slot, to: bye}
  bye:
    do:
      - reply: {zh: 再见, en: Bye}
    end: true
"""


def problems(source: str, intents: set[str] | None = None) -> list[Problem]:
    try:
        return check(read_flow(source), intents)
    except FlowError as error:
        return error.problems


def test_the_base_has_no_problems() -> None:
    assert problems(BASE, {"size"}) == []


@pytest.mark.parametrize(
    ("old", "new", "line", "what"),
    [
        ("to: bye", "to: by", 12, "unknown state 'by'"),
        ("ask: order", "ask: odrer", 9, "unknown slot 'odrer'"),
        ("intents: [size]", "intents: [sise]", 4, "unknown intent 'sise'"),
        ("{on: slot, to: bye}", "{on: intent sise, to: bye}", 12, "unknown intent 'sise'"),
        (", en: Which order", "", 10, "has no text in 'en'"),
        ("to: bye}", "to: ask}", 8, "asked again and again"),
        ("to: bye}", "to: ask}", 13, "unreachable"),
        ("    end: true\n", "", 13, "dead end"),
        ("on: slot, to", "on: slot, when: price > 3, to", 12, "unknown slot 'price'"),
        ("on: slot, to", "on: slot, when: order.x, to", 12, "not allowed in a guard"),
        ("on: slot, to", "on: slot, when: order, to", 8, "no guard holds"),
        ("zh: 再见", "zh: '{name}再见'", 15, "unknown slot 'name'"),
        ("type: order_number", "type: order_numbr", 6, "is none of"),
        ("{type: order_number}", "{type: order_number, pattern: '(a+)+'}", 6, "repeat inside a repeat"),
        ("    end: true\n", "    end: ja\n", 16, "true or false"),
        ("    end: true\n", "    end: true\n    colour: red\n", 17, "unknown key 'colour'"),
        ("flow: size", "flow: size\nflow: sise", 2, "twice"),
        ("start:", "retries: 0\nstart:", 4, "from 1 to 10"),
        ("start:", "timeout: 9999999\nstart:", 4, "from 1 to 604800"),
        ("  ask:\n", "  ask:\n    x: [\n", 11, "is no YAML"),
        ("title: {zh: 尺寸, en: size}", "title: &a {zh: 尺寸, en: size}", 2, "anchors"),
        ("title: {zh: 尺寸, en: size}", "title: !!python/object:os.system {}", 2, "tags"),
    ],
)
def test_a_problem_is_told_with_its_line(old: str, new: str, line: int, what: str) -> None:
    assert BASE.count(old) >= 1
    found = problems(BASE.replace(old, new, 1), {"size"})
    assert any(problem.line == line and what in problem.what for problem in found), found


HOOK = BASE.replace(
    "    do:\n      - reply: {zh: 再见, en: Bye}\n    end: true\n",
    "    do:\n      - webhook: {url: 'https://shop.example.com/a', send: [order], save: {n: n}}\n"
    "    go:\n      - {on: event failed, to: off}\n      - {on: event ok, to: off}\n"
    "  off:\n    do:\n      - hand_off: broken\n",
)


@pytest.mark.parametrize(
    ("old", "new", "line", "what"),
    [
        ("https://shop", "ftp://shop", 15, "no http:// or https:// address"),
        ("https://shop", "https://me:secret@shop", 15, "password"),
        ("https://shop.example.com/a", "/api/visitor/sessions", 15, "no http:// or https:// address"),
        ("https://shop.example.com/a", "/demo/api/../../metrics", 15, "is no path"),
        ("send: [order]", "send: [odrer]", 15, "unknown slot 'odrer'"),
        ("      - {on: event failed, to: off}\n", "", 13, "when the webhook fails"),
        ("save: {n: n}", "answer: {type: objekt}", 15, "is none of"),
        ("{on: event ok, to: off}", "{on: event ok, to: bye}", 13, "cycle that waits for no input"),
    ],
)
def test_a_problem_of_a_webhook_is_told_with_its_line(old: str, new: str, line: int, what: str) -> None:
    assert problems(HOOK, {"size"}) == []
    found = problems(HOOK.replace(old, new, 1), {"size"})
    assert any(problem.line == line and what in problem.what for problem in found), found


@pytest.mark.parametrize(
    "source", ["", "[]", "a: b", "- " * 500, "x" * 300_000, "{" * 2_000, "\x00", "states: {a: {}}"]
)
def test_what_is_no_flow_is_refused(source: str) -> None:
    with pytest.raises(FlowError):
        read_flow(source)


def test_guards() -> None:
    values = {"amount": 120, "status": "sent", "paid": False}
    for text, holds in {
        "amount > 100 and not paid": True,
        'status in ["sent", "packing"]': True,
        "amount > 'x'": False,
        "missing": False,
        "missing == none": True,
        "paid or amount <= 119": False,
        "amount != -1": True,
    }.items():
        assert Guard(text)(values) is holds, text
    for text in (
        "__import__('os')",
        "a.b",
        "a[0]",
        "a + 1",
        "lambda: 1",
        "[x for x in a]",
        "1 < a < 3",
        "f'{a}'",
        "",
        "b'x'",
    ):
        with pytest.raises(GuardError):
            Guard(text)
    with pytest.raises(GuardError):
        Guard("not " * 60 + "a")


@pytest.mark.parametrize(
    "pattern", [r"(a|a)*b", r"a*", r"(\w+)\1", r"a+b+", r"a{0,9}b{0,9}c{0,9}d{0,9}", "(", "(?<=a)b"]
)
def test_a_pattern_that_may_take_for_ever_is_refused(pattern: str) -> None:
    assert why_not(pattern) is not None


def test_schemas() -> None:
    schema = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer", "maximum": 3}}}
    check_schema(schema)
    validate({"n": 3, "more": [1]}, schema)
    for bad in ({}, [], {"n": True}, {"n": 4}, {"n": "3"}):
        with pytest.raises(Mismatch):
            validate(bad, schema)
    for no_schema in ({"type": "objekt"}, {"$ref": "x"}, [], {"properties": []}, {"type": [{}]}):
        with pytest.raises(SchemaError):
            check_schema(no_schema)


def demo_flows() -> list[Flow]:
    return [read_flow(source) for source in shop.flows()]


def test_the_demo_flows_have_no_problems_and_know_their_intents() -> None:
    known = set(read_intents(intents.FILE))
    for flow in demo_flows():
        assert check(flow, known) == [], flow.name


@pytest.mark.parametrize("flow", demo_flows(), ids=lambda flow: flow.name)
async def test_the_demo_flows_pass_their_own_tests(flow: Flow) -> None:
    outcomes = await run_cases(flow, demo_flows())
    assert len(outcomes) >= 3
    assert [outcome for outcome in outcomes if outcome.why] == []


async def test_a_dialogue_that_goes_otherwise_fails_its_test() -> None:
    source = next(source for source in shop.flows() if "flow: order_status" in source)
    flow = read_flow(source.replace("replies: [SF100234], end: true", "replies: [SF999999], end: true"))
    (failed,) = [outcome for outcome in await run_cases(flow) if outcome.why]
    assert "SF999999" in failed.why
    assert failed.line == source[: source.index("replies: [SF100234]")].count("\n") + 1


def test_a_drawing_has_every_state_inside_it_and_no_two_on_one_place() -> None:
    space = "{http://www.w3.org/2000/svg}"
    for flow in demo_flows():
        root = ET.fromstring(draw(flow, "en"))
        width, height = (float(root.attrib[name]) for name in ("width", "height"))
        boxes = [box for box in root.iter(f"{space}rect") if "x" in box.attrib]
        places = {(float(box.attrib["x"]), float(box.attrib["y"])) for box in boxes}
        assert len(places) == len(boxes) == len(flow.states)
        assert all(0 <= x <= width - 200 and 0 <= y <= height - 62 for x, y in places)
        edges = sum(len({transition.to for transition in state.go}) for state in flow.states.values())
        assert sum("marker-end" in path.attrib for path in root.iter(f"{space}path")) == edges


def test_the_command_line_checks_draws_and_tests(tmp_path, capsys) -> None:  # type: ignore[no-untyped-def]
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(next(source for source in shop.flows() if "flow: complaint" in source), "utf-8")
    bad.write_text(BASE.replace("to: bye", "to: by"), "utf-8")
    assert main(["flows", "check", str(good)]) == 0
    assert main(["flows", "check", str(good), str(bad)]) == 65
    assert f"{bad}:12: error: state 'ask' leads to unknown state 'by'" in capsys.readouterr().out
    assert main(["flows", "test", str(good)]) == 0
    assert main(["flows", "test", str(bad)]) == 65
    assert main(["flows", "draw", str(good)]) == 0
    assert (tmp_path / "good.svg").read_text("utf-8").startswith("<svg")
    assert main(["flows", "check", str(tmp_path / "none.yaml")]) == 66
