"""The gateway's load run: it runs, and it tells a wrong answer from a right one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benches.load.callers import Endpoint, ask_once
from benches.load.checks import Expected, WrongAnswer
from benches.load.pool_plot import draw
from benches.load.simulator import Simulator

ROOT = Path(__file__).parents[2]


async def answers(*, stream: bool) -> tuple[bytes, bytes]:
    """Two answers of the simulator to one question."""
    async with Simulator(tokens=20, rate=0, first_token=0) as simulator:
        endpoint = Endpoint(simulator.port)
        return await ask_once(endpoint, stream=stream), await ask_once(endpoint, stream=stream)


@pytest.mark.parametrize("stream", [False, True])
async def test_another_answer_to_the_same_is_right(stream: bool) -> None:
    first, second = await answers(stream=stream)
    assert first != second  # ids differ
    expected = Expected(first, stream=stream)
    expected.check_raw(second)
    assert not expected.rewritten


async def test_a_stream_written_anew_is_right() -> None:
    first, second = await answers(stream=True)
    expected = Expected(first, stream=True)
    _, _, rest = second.partition(b"\r\n\r\n")
    events = b"".join(rest.split(b"\r\n")[1::2]).replace(b'"logprobs":null,', b"")
    expected.check(200, b"%x\r\n%b\r\n0\r\n\r\n" % (len(events), events), chunked=True)
    assert expected.rewritten == 1


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"content":"', b'"content":"x'),
        (b'"finish_reason":"stop"', b'"finish_reason":null  '),
        (b"data: [DONE]", b"data: [MORE]"),
        (b"200 OK", b"502 Ok"),
        (b"\r\n0\r\n\r\n", b"\r\n"),
    ],
)
async def test_a_wrong_stream_is_found_out(old: bytes, new: bytes) -> None:
    first, second = await answers(stream=True)
    expected = Expected(first, stream=True)
    # The chunk of the changed event has another length, so all of it is sent as one.
    head, _, rest = second.partition(b"\r\n\r\n")
    events = b"".join(rest.split(b"\r\n")[1::2])
    wrong = (head + b"\r\n\r\n" + b"%x\r\n%b\r\n0\r\n\r\n" % (len(events), events)).replace(old, new)
    if len(new) != len(old) and old.startswith(b'"content'):
        changed = events.replace(old, new)
        wrong = head + b"\r\n\r\n" + b"%x\r\n%b\r\n0\r\n\r\n" % (len(changed), changed)
    with pytest.raises(WrongAnswer):
        expected.check_raw(wrong)


async def test_a_wrong_whole_answer_is_found_out() -> None:
    first, second = await answers(stream=False)
    expected = Expected(first, stream=False)
    for old, new in ((b'"content":"', b'"content":"x'), (b'"stop"', b'"length"'), (b"}", b"")):
        with pytest.raises(WrongAnswer):
            expected.check_raw(second.replace(old, new))


def test_the_plot_is_drawn() -> None:
    points = [{"at": at / 2, "load": at * 3.0, "size": at * 4.0, "in_use": at * 3.0} for at in range(1, 50)]
    picture = draw(points)
    assert picture.count('<path class="ours"') == 2
    assert picture.endswith("</svg>\n")


@pytest.mark.slow
def test_the_command_measures_the_bare_relay(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "benches.load.gateway", "--quick", "--only", "relay, uvloop"),
            *("--folder", str(tmp_path)),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "| bare relay, uvloop | nothing |" in done.stdout
    assert "wrong" not in done.stdout
