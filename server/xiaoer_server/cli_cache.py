"""`xiaoer cache`: what it holds, make it forget, and measure it against a labelled file."""

from __future__ import annotations

import argparse
import asyncio
import re
from pathlib import Path
from typing import Any

from .cli_shared import (
    EX_DATAERR,
    EX_NOINPUT,
    EX_OK,
    EX_UNAVAILABLE,
    CommandFailed,
    add_common,
    ask_server,
    note,
    print_json,
    print_table,
)
from .config import Settings
from .ops.control import NotRunning


def add(commands: Any) -> None:
    """Add the command to the parser."""
    cache = commands.add_parser("cache", help="the cache of answers: statistics, clear, measure")
    actions = cache.add_subparsers(dest="action", required=True, metavar="action")
    stats = actions.add_parser("stats", help="entries, memory, hits, and what the guards refused")
    clear = actions.add_parser("clear", help="forget all answers; what was disliked stays so")
    clear.add_argument("--tenant", metavar="SLUG", help="of this tenant only")
    measure = actions.add_parser("eval", help="hit rate, wrong hits and latency against labelled pairs")
    measure.add_argument(
        "file", type=Path, metavar="FILE", help=".tsv, .csv or .jsonl with text_a, text_b, label (1, 0)"
    )
    measure.add_argument("--encoder", type=Path, metavar="DIR", help="a model's folder (default: models/e5-small)")
    measure.add_argument("--verifier", type=Path, metavar="DIR", help="a model's folder (default: models/verifier)")
    measure.add_argument("--threshold", type=_share, metavar="P", help="default: the verifier's own for the target")
    measure.add_argument("--limit", type=_whole, default=0, metavar="N", help="draw so many pairs (default: all)")
    measure.add_argument("--plot", type=Path, metavar="SVG", help="write a plot of the rates over thresholds")
    add_common(stats, clear, measure)


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Carry it out.

    Raises:
        CommandFailed: it did not work.
    """
    if options.action == "stats":
        return _stats(options, settings)
    if options.action == "clear":
        return _clear(options, settings)
    return _eval(options, settings)


def _stats(options: argparse.Namespace, settings: Settings) -> int:
    try:
        found = ask_server(Path(settings.server.data), "cache.stats")
    except NotRunning as error:
        raise CommandFailed(f"{error}; what a cache does is known while it runs", EX_UNAVAILABLE) from None
    if options.json:
        print_json(found)
        return EX_OK
    counts = found["counts"]
    asked = counts["exact"] + counts["near"] + counts["missed"]
    share = f"{(counts['exact'] + counts['near']) / asked:.1%}" if asked else "-"
    rows: list[tuple[object, ...]] = [
        ("entries", found["entries"]),
        ("memory", f"{found['bytes'] / 1e6:.1f} of {found['max_bytes'] / 1e6:.1f} MB"),
        ("by meaning", "on" if found["by_meaning"] else "off: no model, or no verifier"),
        ("threshold", f"{found['threshold']:.3f}"),
        ("hits", f"{counts['exact']} exact, {counts['near']} by meaning ({share})"),
        ("shared with one under way", found["joined"]),
        ("refused by guards", ", ".join(f"{n} {why}" for why, n in sorted(counts["objected"].items())) or 0),
        ("refused by the verifier", counts["unverified"]),
        ("disliked", f"{counts['disliked']} (remembered: {found['never']})"),
        ("gone by edits, pushed out", f"{counts['changed']}, {counts['evicted']}"),
    ]
    rows += [(f"tenant {name}", f"{t['entries']} entries, {t['bytes']} B") for name, t in found["tenants"].items()]
    print_table(("WHAT", "VALUE"), rows)
    return EX_OK


def _clear(options: argparse.Namespace, settings: Settings) -> int:
    data = Path(settings.server.data)
    try:
        gone: int | None = ask_server(data, "cache.clear", tenant=options.tenant)["forgotten"]
    except NotRunning:
        from .brain import cache_file

        if options.tenant is not None:
            raise CommandFailed("--tenant: needs the running server", EX_UNAVAILABLE) from None
        gone = None if cache_file.remove(data / "cache") else 0
    if options.json:
        print_json({"forgotten": gone})
    else:
        print("all saved answers are forgotten" if gone is None else f"{gone} answers are forgotten")
    return EX_OK


def _eval(options: argparse.Namespace, settings: Settings) -> int:
    from .cache_eval.labelled import PairsFileError, read
    from .cache_eval.local import open_local
    from .cache_eval.measure import measure
    from .cache_eval.plot import draw

    try:
        pairs = read(options.file, limit=options.limit)
    except PairsFileError as error:
        raise CommandFailed(str(error), EX_DATAERR) from None
    models = Path(settings.server.data) / "models"
    encoder = options.encoder or models / "e5-small"
    verifier = options.verifier or models / "verifier"
    if not encoder.is_dir():
        raise CommandFailed(f"{encoder}: no model is there; `xiaoer models pull e5-small` brings it", EX_NOINPUT)
    if not verifier.is_dir():
        if options.verifier is not None:
            raise CommandFailed(f"{verifier}: no model is there", EX_NOINPUT)
        note("no verifier is installed: nothing is a hit by meaning")
        verifier = None
    try:
        meaning = open_local(encoder, verifier)
    except Exception as error:  # of the runtime's own kinds
        raise CommandFailed(f"{encoder}: cannot be run: {error}", EX_DATAERR) from None
    report = asyncio.run(measure(pairs, meaning, threshold=options.threshold, progress=note))
    if options.plot is not None:
        try:
            options.plot.write_text(draw({options.file.stem: report}), "utf-8")
        except OSError as error:
            raise CommandFailed(f"{options.plot}: {error.strerror}", EX_NOINPUT) from None
    if options.json:
        print_json(report.as_dict())
        return EX_OK
    print_report(report)
    return EX_OK


def print_report(report: Any) -> None:
    """For people."""
    print(
        f"{report.pairs} pairs, {report.same} of them the same; {report.not_general} with a question nobody may share"
    )
    numbers = ("THRESHOLD", "HITS", "HIT RATE", "RECALL", "WRONG", "WRONG/HITS", "UNLABELLED")
    for title, found in (("pairs", report.by_pairs), ("store", report.by_store), ("chosen", report.chosen)):
        print(f"\n{title}")
        rows = [
            (
                each.method,
                "-" if each.threshold is None else f"{each.threshold:g}",
                each.hits,
                f"{each.hit_rate:.1%}",
                f"{each.recall:.1%}",
                each.wrong_hits,
                "-" if each.wrong is None else f"{each.wrong:.2%}",
                each.unlabelled,
            )
            for each in found
        ]
        print_table(("METHOD", *numbers), rows, numbers=numbers)
    print("\nguards' objections (to different, to same pairs)")
    print("  " + ", ".join(f"{why} {no}/{yes}" for why, (no, yes) in sorted(report.objected.items())))
    print("\nmilliseconds")
    for name, value in report.latency.items():
        print(f"  {name}: {value:.3f}")
    print(f"\n{report.peer}")


def _whole(text: str) -> int:
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 0")
    return int(text)


def _share(text: str) -> float:
    if not re.fullmatch(r"[01]|0?\.\d{1,9}", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 to 1")
    return float(text)
