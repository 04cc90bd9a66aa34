"""What the server starts and ends, and what `xiaoer doctor` says of it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from prometheus_client import generate_latest

from xiaoer_server.cli import main
from xiaoer_server.cli_shared import EX_CONFIG
from xiaoer_server.config import ConfigError, InferSettings, ServerSettings, Settings, load
from xiaoer_server.infer import loader
from xiaoer_server.infer import service as services
from xiaoer_server.infer.client import InferError
from xiaoer_server.infer.doctor import models_here
from xiaoer_server.infer.server import main as model_process
from xiaoer_server.infer.service import InferService
from xiaoer_server.ops.metrics import REGISTRY

from .conftest import PROGRAM, ModelProcess, until


def put_manifest(data: Path, name: str, **more: object) -> None:
    folder = data / "models" / name
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps({"name": name, "kind": "encoder"} | more), "utf-8")


async def test_an_own_process_is_started_and_ended(tmp_path: Path, tiny_files: dict[int, Path]) -> None:
    put_manifest(tmp_path, "e5-small")
    service = InferService.open(InferSettings(pull=False), tmp_path, program=[*PROGRAM, "--file", str(tiny_files[32])])
    assert service is not None
    with pytest.raises(InferError) as raised:
        await service.client.embed(["nobody is there yet"])
    assert raised.value.kind == "unavailable"
    await until(lambda: service.client.ready)
    assert (await service.client.embed(["a"])).shape == (1, 32)
    assert service.supervisor is not None
    pid = service.supervisor.pid
    assert pid is not None
    await service.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert not (tmp_path / "infer.sock").exists()


async def test_a_process_elsewhere_is_used(running: ModelProcess, tmp_path: Path) -> None:
    service = InferService.open(InferSettings(address=f" {running.address} ,127.0.0.1:1"), tmp_path)
    assert service is not None
    assert service.supervisor is None
    await until(lambda: service.client.ready)
    await service.client.embed(["a"])
    page = generate_latest(REGISTRY).decode()
    assert f'xiaoer_breaker_state{{model="",provider="infer {running.address}",state="closed"}} 1.0' in page
    assert 'xiaoer_infer_seconds_count{call="embed",outcome="answered"}' in page
    await service.close()
    assert "infer 127.0.0.1:1" not in generate_latest(REGISTRY).decode()


async def test_without_a_model_or_switched_off_there_is_none(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert InferService.open(InferSettings(enabled=False), tmp_path) is None
    assert not caplog.messages
    assert InferService.open(InferSettings(model="other"), tmp_path) is None
    assert "words alone" in caplog.messages[0]
    assert "xiaoer models pull other" in caplog.messages[0]


def test_arguments_are_those_of_the_settings(tmp_path: Path) -> None:
    from xiaoer_server.infer.server import _parser

    settings = InferSettings(model="m", verifier="v", threads=3, max_batch=5, batch_wait_ms=2.5, queue_max=77)
    parsed = _parser().parse_args(["--listen", "unix:/x", *services.arguments(settings, tmp_path)])
    assert (parsed.model, parsed.verifier, parsed.threads, parsed.max_batch) == ("m", "v", 3, 5)
    assert (parsed.batch_wait_ms, parsed.queue, parsed.models) == (2.5, 77, tmp_path)


@pytest.mark.parametrize("address", ["127.0.0.1", "unix:relative", "http://a:1", "a:b", "a:1,,b"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(ConfigError, match=r"XIAOER_INFER_ADDRESS: '.*' is no address; allowed: host:port or"):
        load(None, {"XIAOER_INFER_ADDRESS": address})


@pytest.mark.parametrize("address", ["127.0.0.1:50051", "[::1]:1, unix:/run/a b.sock", "models.internal:7"])
def test_addresses(address: str) -> None:
    settings = load(None, {}, {"infer.address": address})
    assert settings.infer.addresses == [part.strip() for part in address.split(",")]


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"model.onnx": "0" * 64, "tokenizer.json": "0" * 64}, "it was changed or cut short"),
        ({"../outside.onnx": "0" * 64}, "Expected `str` matching regex"),
        ("no files", "Expected `object`"),
    ],
)
def test_a_model_that_is_not_what_it_was_is_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, files: object, reason: str
) -> None:
    more = {"dimensions": 2, "max_tokens": 8, "licence": "MIT", "source": "here"}
    for kind, name in (("encoder", "e5-small"), ("verifier", "verifier")):
        put_manifest(tmp_path, name, kind=kind, files=files, **more)
        for file in ("model.onnx", "tokenizer.json"):
            (tmp_path / "models" / name / file).write_bytes(b"something else")
    arguments = ["--listen", f"unix:{tmp_path}/infer.sock", "--models", str(tmp_path / "models")]
    assert model_process(arguments) == EX_CONFIG
    assert reason in caplog.messages[-1]
    # A verifier is not worth the encoder: it is left out.
    assert loader.load(tmp_path / "models", "", "verifier", 1).verifier is None
    assert caplog.messages[-1].startswith("verifier verifier cannot be used: ")
    assert reason in caplog.messages[-1]


def said(settings: Settings) -> list[tuple[bool, str]]:
    found = list(models_here(settings))
    assert all(finding.ok or (finding.hint and finding.advice) for finding in found)
    return [(finding.ok, finding.what) for finding in found]


def test_doctor_names_what_is_there_and_what_is_not(tmp_path: Path) -> None:
    settings = Settings(server=ServerSettings(data=str(tmp_path)))
    assert said(settings)[-2:] == [
        (False, f"no encoder e5-small in {tmp_path}/models"),
        (False, f"no verifier verifier in {tmp_path}/models"),
    ]
    put_manifest(tmp_path, "e5-small", dimensions=384, licence="MIT")
    put_manifest(tmp_path, "verifier")
    assert said(settings)[-2:] == [(True, "encoder e5-small, 384 dimensions, MIT"), (True, "verifier verifier")]
    (tmp_path / "models" / "verifier" / "manifest.json").write_text("{", "utf-8")
    assert said(settings)[-1][0] is False
    assert said(Settings(infer=InferSettings(enabled=False))) == [(True, "models are switched off by infer.enabled")]


def test_doctor_asks_a_process_elsewhere(running: ModelProcess, tmp_path: Path) -> None:
    settings = Settings(infer=InferSettings(address=f"{running.address},unix:{tmp_path}/nobody.sock"))
    there, nobody = said(settings)
    assert there[0]
    assert "32 dimensions, verifier tiny-verifier" in there[1]
    assert nobody == (False, f"model process at unix:{tmp_path}/nobody.sock does not answer")


def test_the_flag_names_processes_elsewhere(
    running: ModelProcess, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["doctor", "--data", str(tmp_path), "--port", "0", "--infer", running.address])
    assert f"ok    model process at {running.address}: tiny@" in capsys.readouterr().out
    assert main(["doctor", "--infer", "nowhere"]) == EX_CONFIG
    assert "'nowhere' is no address" in capsys.readouterr().err
