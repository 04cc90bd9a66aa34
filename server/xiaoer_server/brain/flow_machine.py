"""A flow as a state machine of python-statemachine, which decides where an event leads.

The library fits: a class is made from a definition at run time, guards are our own callables, the configuration is one
text in a model of ours (so it is stored by writing that text), and an event that leads nowhere is no error. What it
does not have is done around it: values, versions, deadlines and waiting for a visitor (`dialog.py`). Its own reader of
YAML and its expressions are not used: they know no line numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from statemachine import StateChart
from statemachine.io import create_machine_class_from_definition

from .flow_guards import Guard
from .flow_model import Flow, State

#: So that no state or event of a file can meet a name of the library's own.
_PREFIX = "s_"


class _Position:
    """The model: `state` is the name of the state, with the prefix."""

    def __init__(self, state: str) -> None:
        self.state: str = state


class Machine:
    """The state machine of one version of a flow; it keeps nothing of any conversation."""

    def __init__(self, flow: Flow) -> None:
        """`flow` must have passed `flow_checks.check` without errors."""
        self._finals = frozenset(state.name for state in flow.states.values() if _final(state))
        definition: dict[str, Any] = {_PREFIX + name: _definition(flow, state) for name, state in flow.states.items()}
        self._class: type[StateChart[Any]] = create_machine_class_from_definition(
            f"Flow_{flow.name}", definition, catch_errors_as_events=False, allow_event_without_transition=True
        )

    def next(self, state: str, event: str, values: Mapping[str, Any]) -> str | None:
        """The state that `event` leads to, by the first transition whose guard holds; None if there is none."""
        if state in self._finals:
            return None
        position = _Position(_PREFIX + state)
        moved: list[str] = []
        chart = self._class(model=position)
        chart.send(_event(event), values=values, moved=moved)
        return moved[-1] if moved else None


def _definition(flow: Flow, state: State) -> dict[str, Any]:
    definition: dict[str, Any] = {"initial": state.name == flow.first, "final": _final(state)}
    on: dict[str, list[dict[str, Any]]] = {}
    for transition in state.go:
        one: dict[str, Any] = {"target": _PREFIX + transition.to, "on": _moves_to(transition.to)}
        if transition.guard is not None:
            one["cond"] = _condition(transition.guard)
        on.setdefault(_event(transition.event), []).append(one)
    if on:
        definition["on"] = on
    return definition


def _final(state: State) -> bool:
    return state.end or state.hands_off


def _event(event: str) -> str:
    return "e_" + event.replace(":", "_")


def _condition(guard: Guard) -> Callable[..., bool]:
    def holds(values: Mapping[str, Any]) -> bool:
        return guard(values)

    return holds


def _moves_to(state: str) -> Callable[..., None]:
    # A transition from a state to itself leaves no trace in the model.
    def moves(moved: list[str]) -> None:
        moved.append(state)

    return moves
