"""The command line: versions, the doctor's findings, and errors of one line."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from xiaoer import __version__
from xiaoer_server.cli import EX_CONFIG, EX_OK, EX_UNAVAILABLE, main


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "XIAOER_CONFIG"):
        monkeypatch.delenv(name, raising=False)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version"]) == EX_OK
    output = capsys.readouterr().out
    assert output.startswith(f"xiaoer {__version__}\n")
    assert "  backend: " in output


def test_the_doctor_of_a_healthy_machine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--data", str(tmp_path / "new"), "--port", "0"]) == EX_OK
    output = capsys.readouterr().out
    assert "FAIL" not in output
    assert "hint  no model: answers come from the knowledge alone" in output
    assert not (tmp_path / "new").exists(), "an examination changes nothing"


def test_the_doctor_finds_what_keeps_the_server_from_working(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["doctor", "--port", str(port), "--data", str(tmp_path)]) == EX_UNAVAILABLE
    output = capsys.readouterr().out
    assert f"FAIL  address 127.0.0.1:{port}" in output
    assert "Choose another with --port." in output

    settings = tmp_path / "x.toml"
    settings.write_text(f"[tenants.shop]\nwords_file = '{tmp_path}/none'\n")
    arguments = ["doctor", "--port", "0", "--data", str(tmp_path / "file"), "--config", str(settings)]
    assert main(arguments) == EX_UNAVAILABLE
    output = capsys.readouterr().out
    assert f"FAIL  data folder {tmp_path / 'file'}" in output
    assert "is not a folder; choose another with --data." in output
    assert f"FAIL  tenants.shop.words_file {tmp_path}/none" in output


def test_the_doctor_needs_no_package_to_be_asked() -> None:
    code = "import sys, xiaoer_server.cli, xiaoer_server.doctor; print({'sqlalchemy', 'litestar'} & sys.modules.keys())"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "set()\n"


def test_the_doctor_names_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    main(["doctor", "--data", str(tmp_path), "--port", "0"])
    output = capsys.readouterr().out
    assert "at http://127.0.0.1:1/v1" in output
    assert "sk-secret" not in output


@pytest.mark.parametrize("command", ["serve", "doctor"])
def test_a_bad_setting_is_one_line_and_exit_78(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--port", "70000"]) == EX_CONFIG
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("xiaoer: flags: --port: 70000 is not allowed")
    assert captured.err.count("\n") == 1


def test_the_configuration_file_may_be_named_by_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.toml").write_text("[sever]\n")
    monkeypatch.setenv("XIAOER_CONFIG", str(tmp_path / "x.toml"))
    assert main(["doctor"]) == EX_CONFIG
    assert "x.toml: sever: unknown section" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["serve", "doctor", "version"])
def test_unknown_kernels_are_one_line_and_exit_78(command: str) -> None:
    arguments = [Path(sys.executable).parent / "xiaoer", command]
    environ = {**os.environ, "XIAOER_BACKEND": "nonsense"}
    result = subprocess.run(arguments, capture_output=True, text=True, env=environ, check=False)
    assert result.returncode == EX_CONFIG
    assert result.stderr == "xiaoer: XIAOER_BACKEND is 'nonsense'; allowed are 'native' and 'pure'\n"


def test_the_command_is_installed() -> None:
    command = Path(sys.executable).parent / "xiaoer"
    result = subprocess.run([command, "--help"], capture_output=True, text=True, check=True)
    for word in ("serve", "doctor", "version"):
        assert word in result.stdout
