"""Files of examples: what is read, and what is said of those that cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from xiaoer_server.brain.intent_examples import CHARS, EXAMPLES, INTENTS, ExamplesError, check, parse, read
from xiaoer_server.demo.intents import FILE


def test_three_kinds_of_file_say_the_same() -> None:
    plain = "# shop\n[a.b]\nwhere is it \n 我的快递\n\n[c]\nhello\n我的快递，在哪\n"
    table = 'intent,text\na.b,where is it\na.b,我的快递\nc,hello\nc,"我的快递，在哪"\n'
    lines = (
        '{"text":"where is it","intent":"a.b"}\n{"text":"我的快递","intent":"a.b"}\n'
        '{"text":"hello","intent":"c"}\n\n{"text":"我的快递，在哪","intent":"c","more":1}\n'
    )
    wanted = {"a.b": ["where is it", "我的快递"], "c": ["hello", "我的快递，在哪"]}
    assert parse(plain, "x.txt") == wanted
    assert parse(table, "x.CSV") == wanted
    assert parse(lines, "x.jsonl") == wanted
    assert parse("text,category\nhi,c\n", "x.csv") == {"c": ["hi"]}


def test_repetitions_are_taken_once() -> None:
    assert parse("[a]\nHello  there\nhello there\nＨello there\n", "x") == {"a": ["Hello  there"]}
    assert check({"a": ["x", " X "]}) == {"a": ["x"]}


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("x.txt", "hi\n[a]\nyes\n", ["x.txt: line 1: an example before the first [intent]"]),
        ("x.txt", "[a\nyes\n", ["x.txt: line 1: a line that begins with ["]),
        ("x.txt", "[Ä b]\nyes\n", ["x.txt: line 2: the intent 'Ä b' is not allowed"]),
        ("x.txt", "[a]\none\n[b]\ntwo\nONE\n", ["x.txt: line 5: 'ONE' is an example of a already, on line 2"]),
        ("x.txt", f"[a]\n{'x' * (CHARS + 1)}\nok\n", [f"x.txt: line 2: the example has {CHARS + 1} characters"]),
        ("x.txt", "[a]\na\x07b\n", ["x.txt: line 2: the example has a character that cannot be printed"]),
        ("x.txt", "", ["x.txt: line 1: there are no examples"]),
        ("x.csv", "a,b\n1,2\n", ["x.csv: line 1: the columns are not named text and intent"]),
        ("x.csv", "text,intent\nx,a\ny\nz,A\n", ["x.csv: line 3: 1 columns", "x.csv: line 4: the intent 'A'"]),
        ("x.csv", 'text,intent\n"x,a\n', ["x.csv: line 2: unexpected end of data"]),
        ("x.jsonl", '{"text":"x","intent":"a"}\n{"text":1}\nnope\n', ["x.jsonl: line 2:", "x.jsonl: line 3:"]),
        ("x.jsonl", '{"text":"","intent":"a"}\n' + "[" * 9999, ["x.jsonl: line 1: the example is empty", "line 2"]),
        ("x.txt", "".join(f"[i{at}]\nx{at}\n" for at in range(INTENTS + 1)), [f"there are {INTENTS + 1} intents"]),
        ("x.txt", "[a]\n" + "".join(f"x{at}\n" for at in range(EXAMPLES + 1)), [f"a has {EXAMPLES + 1} examples"]),
    ],
)
def test_every_fault_is_told_with_its_line(name: str, text: str, says: list[str]) -> None:
    with pytest.raises(ExamplesError) as caught:
        parse(text, name)
    for part in says:
        assert part in str(caught.value)


def test_many_faults_are_cut_short() -> None:
    with pytest.raises(ExamplesError, match="and 80 more"):
        parse("x\n" * 100, "x.txt")


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_bytes(b"[a]\nfine\n\xff\xfe\n")
    with pytest.raises(ExamplesError, match=r"^x\.txt:3: is not UTF-8$"):
        read(path)


def test_what_did_not_come_in_a_file() -> None:
    with pytest.raises(ExamplesError, match="is an example of a already"):
        check({"a": ["same"], "b": ["Same"]})
    with pytest.raises(ExamplesError, match="is not allowed"):
        check({"../a": ["x"]})


def test_the_shop_has_its_examples_in_both_languages() -> None:
    examples = read(FILE)
    assert len(examples) >= 25
    for intent, texts in examples.items():
        chinese = sum(any("一" <= char <= "鿿" for char in text) for text in texts)
        assert chinese >= 40, intent
        assert len(texts) - chinese >= 40, intent
