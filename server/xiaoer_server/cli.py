"""The command `xiaoer`: serve, doctor, version; the gateway's keys, usage, providers; models and what they are for."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from . import cli_cache, cli_flows, cli_intents, cli_kb, cli_keys, cli_models, cli_providers, cli_usage
from .cli_shared import EX_CONFIG, EX_OK, EX_UNAVAILABLE, EX_USAGE, CommandFailed
from .config import ConfigError, Settings, load

_GROUPS = {
    "keys": cli_keys,
    "usage": cli_usage,
    "providers": cli_providers,
    "models": cli_models,
    "intents": cli_intents,
    "flows": cli_flows,
    "kb": cli_kb,
    "cache": cli_cache,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        import xiaoer  # noqa: F401  # not before: it refuses the kernels that XIAOER_BACKEND names and nobody has
    except ImportError as error:
        print(f"xiaoer: {error}", file=sys.stderr)
        return EX_CONFIG
    if options.command == "version":
        return _version()
    try:
        settings = _settings(options)
    except ConfigError as error:
        print(f"xiaoer: {error}", file=sys.stderr)
        return EX_CONFIG
    if options.command == "doctor":
        from .doctor import examine

        return EX_OK if examine(settings, print) else EX_UNAVAILABLE
    if options.command in _GROUPS:
        try:
            code: int = _GROUPS[options.command].run(options, settings)
            return code
        except CommandFailed as error:
            print(f"xiaoer: {error}", file=sys.stderr)
            return error.code
    from .app import StartError, serve

    try:
        serve(settings)
    except (ConfigError, StartError) as error:
        print(f"xiaoer: {error}", file=sys.stderr)
        return EX_CONFIG
    except KeyboardInterrupt:
        pass
    return EX_OK


class _Parser(argparse.ArgumentParser):
    """Wrong usage ends with the code that `sysexits.h` has for it, not with argparse's 2."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(EX_USAGE, f"{self.prog}: {message}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="xiaoer", description="Self-hosted AI customer service for high load.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    serve = commands.add_parser("serve", help="run the server")
    doctor = commands.add_parser("doctor", help="say what is missing and what is there")
    for command in (serve, doctor):
        command.add_argument("--host", help="address to listen on (default 127.0.0.1)")
        command.add_argument("--port", type=int, help="port to listen on (default 8000, 0 takes a free one)")
        command.add_argument("--data", metavar="DIR", help="folder of the database and keys (default xiaoer-data)")
        command.add_argument("--config", metavar="FILE", type=Path, help="TOML file with settings, see README")
        command.add_argument("--workers", type=int, metavar="N", help="processes (this version: 1)")
        command.add_argument(
            "--infer", metavar="ADDRESS", help="model processes elsewhere: host:port,… (default: an own)"
        )
    for group in _GROUPS.values():
        group.add(commands)
    commands.add_parser("version", help="print versions and the kernels' backend")
    return parser


def _settings(options: argparse.Namespace) -> Settings:
    named = os.environ.get("XIAOER_CONFIG")
    path: Path | None = options.config or (Path(named) if named else None)
    flags = {f"server.{key}": getattr(options, key, None) for key in ("host", "port", "data", "workers")}
    flags["infer.address"] = getattr(options, "infer", None)
    return load(path, os.environ, flags)


def _version() -> int:
    from xiaoer import __version__, build_info

    info = build_info()
    print(f"xiaoer {__version__}")
    for key, value in info.items():
        if isinstance(value, dict):
            value = [f"{name} {'compiled' if compiled else 'missing'}" for name, compiled in value.items()]
        print(f"  {key}: {', '.join(value) if isinstance(value, list | tuple) else value}")
    return EX_OK


if __name__ == "__main__":
    sys.exit(main())
