"""What the figures were made on."""

import datetime
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benches.peers import PACKAGES
from xiaoer import build_info

load_at_start = os.getloadavg()


def describe() -> dict[str, Any]:
    """Date, machine, load, versions and build, for the results."""
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="minutes"),
        "cpu": _processor(),
        "cores": os.cpu_count(),
        "memory": _memory(),
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()} ({platform.python_compiler()})",
        "load": [round(load_at_start[0], 2), round(os.getloadavg()[0], 2)],
        "build": dict(build_info()),
        "packages": {name: package._asdict() | {"version": _version(name)} for name, package in PACKAGES.items()},
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    return _field("/proc/cpuinfo", "model name") or platform.processor() or platform.machine()


def _memory() -> str:
    kib = (_field("/proc/meminfo", "MemTotal") or "0 kB").split()[0]
    return f"{int(kib) / 2**20:.0f} GiB"


def _field(path: str, name: str) -> str:
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")
