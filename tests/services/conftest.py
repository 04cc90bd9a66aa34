"""Tests with real services. Each starts its own instance in a folder of its own, and ends it."""

import os
import shutil
from pathlib import Path

import pytest


def require(program: str, package: str) -> str:
    """Path of an installed program; where it is missing the test skips, or fails with XIAOER_REQUIRE_SERVICES=1.

    Args:
        package: What an operator of Debian installs to get it.
    """
    # Daemons live in /usr/sbin, which is not in everybody's PATH.
    path = shutil.which(program, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"]))
    if path is not None:
        return path
    message = f"{program} is not installed (apt-get install {package})"
    if os.environ.get("XIAOER_REQUIRE_SERVICES") == "1":
        pytest.fail(message)
    pytest.skip(message)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker("services")
