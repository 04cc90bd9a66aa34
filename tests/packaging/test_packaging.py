"""What a user gets from pip: the library without the server, and nobody else's names."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

#: A server dependency that must not come with the library.
SERVER_ONLY = ["uvloop", "uvicorn", "litestar", "sqlalchemy", "openai", "websockets", "aiohttp", "httptools"]

PROBE = f"""
import importlib.util, json, xiaoer
words = xiaoer.WordFilter(["加微信"])
print(json.dumps({{
    "backend": xiaoer.build_info()["backend"],
    "profile": xiaoer.build_info()["profile"],
    "masked": words.replace("请加微信"),
    "found": [name for name in {SERVER_ONLY!r} if importlib.util.find_spec(name)],
}}))
"""


def run(*command: str | Path, cwd: Path) -> str:
    result = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Both wheels, built from the checkout as pip builds them."""
    folder = tmp_path_factory.mktemp("wheels")
    run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", folder, "./native", ".", cwd=ROOT)
    return {wheel.name.split("-")[0]: wheel for wheel in folder.glob("*.whl")}


@pytest.mark.slow
def test_wheels_take_only_our_own_names(wheels: dict[str, Path]) -> None:
    assert set(wheels) == {"xiaoer", "xiaoer_native"}
    for name, allowed in (("xiaoer", {"xiaoer", "xiaoer_server"}), ("xiaoer_native", {"xiaoer_native"})):
        with zipfile.ZipFile(wheels[name]) as wheel:
            tops = {file.split("/")[0].split(".")[0] for file in wheel.namelist() if ".dist-info/" not in file}
        assert tops == allowed


@pytest.mark.slow
def test_the_server_brings_its_data_along(wheels: dict[str, Path]) -> None:
    with zipfile.ZipFile(wheels["xiaoer"]) as wheel:
        files = set(wheel.namelist())
    for part in ("web/index.html", "web/widget.js", "demo/words.txt", "store/migrations/env.py", "py.typed"):
        assert f"xiaoer_server/{part}" in files
    assert sum(file.startswith("xiaoer_server/demo/articles/") for file in files) >= 60
    assert {"xiaoer/py.typed", "xiaoer/_queue.pyi", "xiaoer/_sse.pyi"} <= files


@pytest.mark.slow
def test_the_library_alone_needs_no_server(wheels: dict[str, Path], tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", *wheels.values(), cwd=tmp_path)
    said = json.loads(run(python, "-c", PROBE, cwd=tmp_path))
    assert said == {"backend": "native", "profile": "release", "masked": "请***", "found": []}
