"""The official Python client's own tests of the routes that we have, against our /v1: `make openai-suite`.

The source distribution of the installed version is downloaded into a temporary folder and its tests/api_resources are
run there, with the key and the address in place of theirs. Nothing of it stays.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import openai

from benches.load import vectors
from benches.load.simulator import Simulator
from support.gateway import UPSTREAM_KEY, new_key
from support.process import running

#: File, and which of its tests: stored completions and deleting models are routes that we don't have.
SUITES = [
    ("chat/test_completions.py", "create"),
    ("test_embeddings.py", "create"),
    ("test_models.py", "list or retrieve"),
    ("test_moderations.py", "create"),
]

#: What the tests call models.
MODELS = ("gpt-6-astra", "gpt-4o-mini", "text-embedding-3-small", "text-embedding-ada-002", "gpt-5.4", "model")


def download(folder: Path) -> Path:
    """The unpacked source distribution of the installed version."""
    version = openai.__version__
    wanted = ["--no-deps", "--no-binary", "openai", "--dest", str(folder), f"openai=={version}"]
    subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", *wanted], check=True)
    with tarfile.open(folder / f"openai-{version}.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    return folder / f"openai-{version}"


def aim(source: Path, key: str) -> None:
    """Have the tests use our key, and the installed package rather than the unpacked one."""
    conftest = source / "tests" / "conftest.py"
    text = conftest.read_text("utf-8")
    assert 'api_key = "My API Key"' in text
    conftest.write_text(text.replace('api_key = "My API Key"', f"api_key = {key!r}"), "utf-8")


async def main() -> int:
    """Run; returns pytest's exit code."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = await asyncio.to_thread(download, folder)
        # Its strict tests want numbers though the client asks for base64; the mock that they were made for does that.
        vectors.FLOATS_ONLY = True
        async with Simulator(tokens=8, rate=0.0, first_token=0.0) as simulator:
            models = "".join(f'[models."{model}"]\ntargets = ["main"]\n' for model in MODELS)
            toml = (
                f'[providers.main]\nbase_url = "{simulator.base_url}"\napi_key = "{UPSTREAM_KEY}"\n'
                f"allow_private = true\n{models}"
            )
            with running(folder / "data", toml=toml) as server:
                aim(source, new_key(server.data, "--name", "suite"))
                return await asyncio.to_thread(run, source, f"{server.url}/v1")


def run(source: Path, base_url: str) -> int:
    """Run the chosen tests in one go."""
    nodes = [str(source / "tests" / "api_resources" / file) for file, _ in SUITES]
    chosen = " or ".join(f"({Path(file).stem} and ({which}))" for file, which in SUITES)
    environ = {**os.environ, "TEST_API_BASE_URL": base_url, "PYTHONPATH": ""}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:schemathesis",
        "-p",
        "no:llmock",
    ]
    options = ["-c", str(source / "pyproject.toml"), "--rootdir", str(source), "-o", "addopts=", "-k", chosen]
    return subprocess.run([*command, *options, *nodes], cwd=source, env=environ).returncode


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
