"""The choice between compiled and pure kernels: loud where something is wrong."""

import os
import subprocess
import sys
from types import ModuleType

import pytest

import xiaoer
from xiaoer import _backend

SHOW = "import xiaoer; info = xiaoer.build_info(); print(info['backend'], info['modules'])"


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    known = {name: value for name, value in os.environ.items() if not name.startswith("XIAOER_")}
    return subprocess.run(
        [sys.executable, "-c", code], env=known | environment, capture_output=True, text=True, timeout=60
    )


def test_pure_loads_nothing_compiled() -> None:
    loaded = "import sys; print([m for m in ('xiaoer_native', 'xiaoer._queue', 'xiaoer._sse') if m in sys.modules])"
    result = run(f"{SHOW}; {loaded}", XIAOER_BACKEND="pure")
    assert result.stdout.splitlines() == [
        "pure {'xiaoer._queue': False, 'xiaoer._sse': False, 'xiaoer_native': False}",
        "[]",
    ]


def test_native_is_all_compiled() -> None:
    result = run(SHOW, XIAOER_BACKEND="native")
    assert result.stdout == "native {'xiaoer._queue': True, 'xiaoer._sse': True, 'xiaoer_native': True}\n"


def test_an_unknown_backend() -> None:
    result = run("import xiaoer", XIAOER_BACKEND="rust")
    assert "BackendError: XIAOER_BACKEND is 'rust'; allowed are 'native' and 'pure'" in result.stderr


HIDE = "import sys; sys.modules['xiaoer_native'] = None; "


def test_asked_for_but_missing() -> None:
    result = run(HIDE + "import xiaoer", XIAOER_BACKEND="native")
    assert "BackendError: XIAOER_BACKEND=native, but xiaoer_native is not installed" in result.stderr


def test_missing_but_not_asked_for() -> None:
    result = run(HIDE + SHOW)
    assert result.stdout == "mixed {'xiaoer._queue': True, 'xiaoer._sse': True, 'xiaoer_native': False}\n"


def fake(monkeypatch: pytest.MonkeyPatch, **attributes: object) -> None:
    module = ModuleType("xiaoer_fake")
    vars(module).update(attributes)
    monkeypatch.setitem(sys.modules, "xiaoer_fake", module)
    monkeypatch.setattr(_backend, "choice", "")
    monkeypatch.setattr(_backend, "_found", {})


def test_another_version(monkeypatch: pytest.MonkeyPatch) -> None:
    fake(monkeypatch, __version__="0.0.9", profile="release")
    with pytest.raises(xiaoer.BackendError, match=r"xiaoer_fake is version 0\.0\.9, xiaoer is "):
        _backend.load("xiaoer_fake")


def test_a_debug_build(monkeypatch: pytest.MonkeyPatch) -> None:
    fake(monkeypatch, __version__=xiaoer.__version__, profile="debug")
    with pytest.raises(ImportError, match="debug build"):
        _backend.load("xiaoer_fake")
    monkeypatch.setenv("XIAOER_ALLOW_DEBUG", "1")
    assert _backend.load("xiaoer_fake") is sys.modules["xiaoer_fake"]


def test_installed_but_broken(monkeypatch: pytest.MonkeyPatch, tmp_path: os.PathLike[str]) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setattr(_backend, "choice", "")
    for number, line in enumerate(["import no_such_module", "from os import no_such_name"]):
        with open(os.path.join(tmp_path, f"xiaoer_broken{number}.py"), "w") as file:
            file.write(line)
        with pytest.raises(xiaoer.BackendError, match="installed but does not load"):
            _backend.load(f"xiaoer_broken{number}")


def test_build_info() -> None:
    info = xiaoer.build_info()
    assert info["version"] == xiaoer.__version__
    if os.environ.get("XIAOER_BACKEND") != "pure":
        assert info["backend"] == "native"
        assert info["native_version"] == xiaoer.__version__
        assert info["profile"] == "release"
