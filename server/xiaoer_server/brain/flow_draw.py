"""Draws a flow as SVG: layers from the first state down, after Sugiyama, Tagawa and Toda (1981).

Layer of a state: its distance from the first one. Order in a layer: by the mean place of the states that lead to it, a
few rounds down and up. Edges to the next layer are straight on, all others bend round the side.
"""

from __future__ import annotations

from html import escape

from .flow_model import Flow, State, Transition
from .language import is_cjk

WIDTH, HEIGHT, ACROSS, DOWN, MARGIN = 200, 62, 56, 78, 40
ROUNDS = 4

_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#263238}.s{font-size:11px;fill:#546e7a}.e{font-size:11px;fill:#37474f;"
    "paint-order:stroke;stroke:#fff;stroke-width:4px}rect{fill:#fff;stroke:#546e7a;stroke-width:1.5}"
    ".ask{fill:#e3f2fd;stroke:#1565c0}.end{fill:#e8f5e9;stroke:#2e7d32}.hand{fill:#fff3e0;stroke:#ef6c00}"
    ".call{fill:#f3e5f5;stroke:#6a1b9a}path{fill:none;stroke:#78909c;stroke-width:1.5}"
)


def draw(flow: Flow, language: str = "zh") -> str:
    """The SVG document of a flow that has no errors."""
    layers = _layers(flow)
    _order(flow, layers)
    places: dict[str, tuple[float, float]] = {}
    widest = max(len(layer) for layer in layers)
    width = widest * (WIDTH + ACROSS) - ACROSS + 2 * MARGIN
    for depth, layer in enumerate(layers):
        left = (width - (len(layer) * (WIDTH + ACROSS) - ACROSS)) / 2
        for at, name in enumerate(layer):
            places[name] = (left + at * (WIDTH + ACROSS), MARGIN + 30 + depth * (HEIGHT + DOWN))
    edges, reach = _edges(flow, places, width)
    boxes = [_box(flow.states[name], place, language) for name, place in places.items()]
    height = MARGIN * 2 + 30 + len(layers) * (HEIGHT + DOWN) - DOWN
    title = escape(flow.title.get(language) or flow.name)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {reach:g} {height:g}" width="{reach:g}" '
        f'height="{height:g}" role="img" aria-label="{title}"><style>{_STYLE}</style>'
        '<defs><marker id="a" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        '<path d="M0 0L8 4L0 8z" style="fill:#78909c;stroke:none"/></marker></defs>'
        f'<rect width="100%" height="100%" style="stroke:none"/><text x="{MARGIN}" y="32" font-weight="bold">{title} '
        f"({escape(flow.name)}, {flow.version})</text>{''.join(edges)}{''.join(boxes)}</svg>\n"
    )


def _layers(flow: Flow) -> list[list[str]]:
    layers, seen = [[flow.first]], {flow.first}
    while True:
        following: list[str] = []
        for name in layers[-1]:
            for transition in flow.states[name].go:
                if transition.to not in seen:
                    seen.add(transition.to)
                    following.append(transition.to)
        if not following:
            return layers
        layers.append(following)


def _order(flow: Flow, layers: list[list[str]]) -> None:
    ways = [(name, transition.to) for name, state in flow.states.items() for transition in state.go]
    near: dict[str, list[str]] = {name: [] for name in flow.states}
    for start, end in ways:
        near[start].append(end)
        near[end].append(start)
    for turn in range(ROUNDS):
        span = range(1, len(layers)) if turn % 2 == 0 else range(len(layers) - 2, -1, -1)
        for at in span:
            beside = layers[at - 1 if turn % 2 == 0 else at + 1]
            place = {name: index / len(beside) for index, name in enumerate(beside)}

            def mean(name: str, place: dict[str, float] = place) -> float:
                known = [place[other] for other in near[name] if other in place]
                return sum(known) / len(known) if known else 0.5

            layers[at].sort(key=mean)


def _edges(flow: Flow, places: dict[str, tuple[float, float]], width: float) -> tuple[list[str], float]:
    parts: list[str] = []
    side = width
    for name, state in flow.states.items():
        targets = list(dict.fromkeys(transition.to for transition in state.go))
        for at, target in enumerate(targets):
            label = " / ".join(_label(transition) for transition in state.go if transition.to == target)
            (x, y), (to_x, to_y) = places[name], places[target]
            start = x + WIDTH * (at + 1) / (len(targets) + 1)
            if 0 < to_y - y <= HEIGHT + DOWN:
                end, bottom = to_x + WIDTH / 2, y + HEIGHT
                middle = (bottom + to_y) / 2
                path = f"M{start:g} {bottom:g}C{start:g} {middle:g} {end:g} {middle:g} {end:g} {to_y:g}"
                share = (at + 1) / (len(targets) + 1)
                text_x, text_y = start + (end - start) * share, bottom + (to_y - bottom) * (0.25 + 0.5 * share)
                anchor = "middle"
            else:
                side += 26
                line, to_line = y + HEIGHT / 2 + 6 * at, to_y + HEIGHT / 2
                path = f"M{x + WIDTH:g} {line:g}H{side:g}V{to_line:g}H{to_x + WIDTH:g}"
                text_x, text_y, anchor = side - 4, (line + to_line) / 2, "end"
            parts.append(f'<path d="{path}" marker-end="url(#a)"/>')
            told = escape(_short(label, 44))
            parts.append(f'<text class="e" x="{text_x:g}" y="{text_y:g}" text-anchor="{anchor}">{told}</text>')
    return parts, side + MARGIN


def _box(state: State, place: tuple[float, float], language: str) -> str:
    x, y = place
    calls = any(action.webhook is not None for action in state.do)
    kind = "end" if state.end else "hand" if state.hands_off else "ask" if state.waits else "call" if calls else ""
    texts = state.prompt or next((action.reply for action in state.do if action.reply is not None), None)
    told = texts.get(language, "") if texts else ""
    if not told:
        told = next((action.webhook.url for action in state.do if action.webhook is not None), "")
    name = state.name if state.ask is None else f"{state.name} ← {state.ask}"
    return (
        f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{WIDTH}" height="{HEIGHT}" rx="8"/>'
        f'<text x="{x + 12:g}" y="{y + 26:g}">{escape(_short(name, 26))}</text>'
        f'<text class="s" x="{x + 12:g}" y="{y + 46:g}">{escape(_short(told, 30))}<title>{escape(told)}</title></text>'
    )


def _label(transition: Transition) -> str:
    event = transition.event.replace("event:", "").replace("intent:", "#")
    return f"{event} [{transition.guard.text}]" if transition.guard is not None else event


def _short(text: str, columns: int) -> str:
    """As much of a text as fits; a Chinese character takes two columns."""
    taken = 0
    for at, char in enumerate(text):
        taken += 2 if is_cjk(char) else 1
        if taken > columns:
            return text[:at].rstrip() + "…"
    return text
