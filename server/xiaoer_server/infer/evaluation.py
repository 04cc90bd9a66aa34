"""How good a head is: accuracy, precision and recall of each intent, what is taken for what, and a plot of that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray

from .training import auroc

#: How a file of examples marks what belongs to no intent.
OUTSIDE = "oos"

#: Of the confusions, so many are told by name.
CONFUSIONS = 20


def evaluate_scores(
    how: str,
    names: Sequence[str],
    raw: NDArray[np.float64],
    labels: Sequence[str],
    inside: NDArray[np.float64] | None = None,
    threshold: float = 0.5,
) -> dict[str, Any]:
    """The report on raw scores, shape (n, len(names)), of texts whose intents are known.

    Args:
        how: Where the scores come from, for the reader.
        labels: The right intents; `oos`, or one that the head does not know, is out of scope.
        inside: The probability of being in scope of each text; with it the report also has what the threshold does.
    """
    known = np.array([label in set(names) for label in labels])
    right = np.array([names.index(label) if label in set(names) else -1 for label in labels])
    found = raw.argmax(axis=1)
    matrix = np.zeros((len(names), len(names)), int)
    np.add.at(matrix, (right[known], found[known]), 1)
    hits, of, said = matrix.diagonal(), matrix.sum(axis=1), matrix.sum(axis=0)
    report: dict[str, Any] = {
        "how": how,
        "examples": int(known.sum()),
        "accuracy": _share(int(hits.sum()), int(known.sum())),
        "intents": [
            {
                "intent": name,
                "examples": int(of[at]),
                "precision": _share(int(hits[at]), int(said[at])),
                "recall": _share(int(hits[at]), int(of[at])),
            }
            for at, name in enumerate(names)
        ],
        "confusions": _confusions(names, matrix),
        "matrix": matrix.tolist(),
    }
    if inside is not None:
        accepted = inside >= threshold
        report["threshold"] = threshold
        report["accepted"] = _share(int((accepted & known).sum()), int(known.sum()))
        report["accepted_and_right"] = _share(int((accepted & known & (found == right)).sum()), int(known.sum()))
        if (~known).any():
            report["outside"] = int((~known).sum())
            report["rejected"] = _share(int((~accepted & ~known).sum()), int((~known).sum()))
            report["auroc"] = round(auroc(inside[known], inside[~known]), 4)
    return report


def as_text(report: dict[str, Any]) -> str:
    """The report as Markdown."""
    lines = [
        f"# Intents, {report['how']}",
        "",
        f"{report['examples']} examples of {len(report['intents'])} intents; accuracy {report['accuracy']:.2%}",
    ]
    if "accepted" in report:
        lines.append(f"accepted at threshold {report['threshold']:g}: {report['accepted']:.2%} of what is in scope")
    if "rejected" in report:
        lines.append(
            f"rejected: {report['rejected']:.2%} of {report['outside']} texts out of scope; AUROC {report['auroc']:.4f}"
        )
    lines += ["", "| intent | examples | precision | recall |", "|---|--:|--:|--:|"]
    for row in sorted(report["intents"], key=lambda row: (row["recall"], row["intent"])):
        lines.append(f"| {row['intent']} | {row['examples']} | {row['precision']:.1%} | {row['recall']:.1%} |")
    if report["confusions"]:
        lines += ["", "| meant | taken for | times |", "|---|---|--:|"]
        lines += [f"| {row['intent']} | {row['taken_for']} | {row['times']} |" for row in report["confusions"]]
    return "\n".join(lines) + "\n"


def as_svg(report: dict[str, Any]) -> str:
    """The confusions as a plot: a row for what was meant, a column for what it was taken for, darker for more."""
    names = [row["intent"] for row in report["intents"]]
    cell = max(4, min(22, 1_200 // len(names)))
    font = max(4, min(12, cell - 2))
    left = round(max(map(len, names)) * font * 0.62) + 12
    top = left + 24
    side = cell * len(names)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + side + 20} {top + side + 20}" '
        f'font-family="sans-serif" font-size="{font}">',
        f'<rect width="{left + side + 20}" height="{top + side + 20}" fill="#fff"/>',
        f'<text x="8" y="16" font-size="13">accuracy {report["accuracy"]:.2%}, {escape(report["how"])}: '
        "rows are meant, columns are found</text>",
    ]
    for at, (name, row) in enumerate(zip(names, report["matrix"], strict=True)):
        y = top + at * cell
        x = left + at * cell + cell * 0.7
        parts.append(f'<text x="{left - 4}" y="{y + cell * 0.7:.1f}" text-anchor="end">{escape(name)}</text>')
        parts.append(f'<text transform="translate({x:.1f} {top - 4}) rotate(-90)">{escape(name)}</text>')
        for column, times in enumerate(row):
            if times:
                shade = 92 - round(60 * times / max(1, sum(row)))
                colour = f"hsl({205 if column == at else 10} 75% {shade}%)"
                parts.append(
                    f'<rect x="{left + column * cell}" y="{y}" width="{cell}" height="{cell}" fill="{colour}">'
                    f"<title>{escape(name)} → {escape(names[column])}: {times}</title></rect>"
                )
    parts.append(f'<rect x="{left}" y="{top}" width="{side}" height="{side}" fill="none" stroke="#888"/></svg>')
    return "\n".join(parts) + "\n"


def _confusions(names: Sequence[str], matrix: NDArray[np.int_]) -> list[dict[str, Any]]:
    pairs = [(int(matrix[a, b]), names[a], names[b]) for a, b in np.argwhere(matrix) if a != b]
    pairs.sort(key=lambda pair: (-pair[0], pair[1], pair[2]))
    return [{"intent": meant, "taken_for": found, "times": times} for times, meant, found in pairs[:CONFUSIONS]]


def _share(part: int, whole: int) -> float:
    return round(part / whole, 6) if whole else 0.0
