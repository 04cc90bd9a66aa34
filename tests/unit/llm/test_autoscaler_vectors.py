"""Kubernetes' own numbers, run one by one: its replica calculator and its scaling behaviour."""

import json
from pathlib import Path
from typing import Any

import pytest

from xiaoer_server.llm.autoscaler import (
    NoReadings,
    NoRequest,
    Phase,
    Replica,
    by_average,
    by_utilisation,
    by_value,
    by_value_per_replica,
)
from xiaoer_server.llm.autoscaler_behaviour import Behaviour, Direction, Kind, Rate, Reason, Select

VECTORS = Path(__file__).parents[2] / "vectors"
REPLICAS = json.loads((VECTORS / "kubernetes_replicas.json").read_text("utf-8"))
BEHAVIOUR = json.loads((VECTORS / "kubernetes_behaviour.json").read_text("utf-8"))
ERRORS: dict[str, type[Exception]] = {"no_readings": NoReadings, "no_request": NoRequest}


def named(cases: list[dict[str, Any]]) -> Any:
    return pytest.mark.parametrize("case", cases, ids=[case["name"] for case in cases])


def test_all_of_the_source_is_there() -> None:
    cases = REPLICAS["cases"]
    assert len({case["name"].partition(",")[0] for case in cases}) == 49
    assert len(cases) == 50
    assert len(BEHAVIOUR["limits"]) == 42
    assert len(BEHAVIOUR["stabilised"]) == 11


def replicas_of(case: dict[str, Any]) -> dict[str, Replica]:
    requests = case.get("requests")
    phases = case.get("phase", [])
    count = max(case["current"], len(phases))
    return {
        f"replica-{index}": Replica(
            request=requests[index] * REPLICAS["containers"] if requests and index < len(requests) else None,
            ready=index >= len(case.get("ready", ())) or case["ready"][index],
            starting=index < len(case.get("starting", ())) and case["starting"][index],
            phase=Phase[phases[index].upper()] if phases else Phase.RUNNING,
        )
        for index in range(count)
    }


def outcome_of(case: dict[str, Any]) -> tuple[int, ...]:
    current, target, tolerance = case["current"], case["target"], REPLICAS["tolerance"]
    replicas = replicas_of(case)
    owner = "other" if case.get("readings_of_others") else "replica"
    readings = {f"{owner}-{index}": reading for index, reading in enumerate(case["readings"])}
    match case["metric"]:
        case "utilisation":
            scaled = {name: reading * REPLICAS["containers"] for name, reading in readings.items()}
            return by_utilisation(current, replicas, scaled, target, tolerance)
        case "average":
            return by_average(current, replicas, readings, target, tolerance)
        case "value":
            ready = sum(replica.ready and replica.phase is Phase.RUNNING for replica in replicas.values())
            (value,) = readings.values()
            return by_value(current, ready, value, target, tolerance), value
        case "value_per_replica":
            (value,) = readings.values()
            return by_value_per_replica(current, value, target, tolerance)
    raise AssertionError(case["metric"])


@named(REPLICAS["cases"])
def test_replicas(case: dict[str, Any]) -> None:
    if "error" in case:
        with pytest.raises(ERRORS[case["error"]]):
            outcome_of(case)
    elif case["metric"] == "utilisation":
        assert outcome_of(case) == (case["expected"], case["expected_percent"], case["expected_average"])
    else:
        assert outcome_of(case) == (case["expected"], case["expected_reading"])


def rates_of(rates: list[list[Any]]) -> list[Rate]:
    return [Rate(Kind[kind.upper()], value, period) for kind, value, period in rates]


@named(BEHAVIOUR["limits"])
def test_limits(case: dict[str, Any]) -> None:
    up = Direction(rates_of(case.get("up", BEHAVIOUR["default_up"])))
    down = Direction(rates_of(case.get("down", BEHAVIOUR["default_down"])))
    behaviour = Behaviour(up, down, case["minimum"], case["maximum"])
    changes = [(-ago, change) for change, ago in case.get("grown", ())]
    changes += [(-ago, -change) for change, ago in case.get("shrunk", ())]
    for at, change in sorted(changes):
        behaviour.changed(change, at)
    assert behaviour.limit(case["current"], case["wish"], 0.0) == (case["expected"], Reason[case["reason"]])


@named(BEHAVIOUR["stabilised"])
def test_stabilised(case: dict[str, Any]) -> None:
    rates = rates_of(BEHAVIOUR["default_down"])
    behaviour = Behaviour(Direction(rates, case["up_window"]), Direction(rates, case["down_window"]), 0, 1_000_000)
    for wish, ago in case["wishes"]:
        behaviour.stabilise(case["current"], wish, -ago)
    assert behaviour.stabilise(case["current"], case["wish"], 0.0) == case["expected"]


@pytest.mark.parametrize("case", BEHAVIOUR["least"], ids=["up", "down"])
def test_the_least_change_of_several_policies(case: dict[str, Any]) -> None:
    direction = Direction(rates_of(case["rates"]), select=Select.LEAST)
    behaviour = Behaviour(direction, direction, 0, 1_000_000)
    wish = 1_000 if case["direction"] == "up" else 0
    assert behaviour.limit(case["current"], wish, 0.0)[0] == case["expected"]


def test_a_disabled_direction_stays() -> None:
    off = Direction(rates_of(BEHAVIOUR["default_up"]), select=Select.DISABLED)
    behaviour = Behaviour(off, off, 0, 100)
    assert behaviour.limit(5, 9, 0.0) == (5, Reason.SCALE_UP_LIMIT)
    assert behaviour.limit(5, 1, 0.0) == (5, Reason.SCALE_DOWN_LIMIT)
