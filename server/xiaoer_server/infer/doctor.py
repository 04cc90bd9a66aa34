"""What `xiaoer doctor` says of models: which encoder and verifier there are, or what to do to have them."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import msgspec

from ..config import InferSettings, Settings
from ..finding import Finding

#: Seconds that an address has to answer.
SECONDS = 3.0

#: What runs a model.
_RUNTIME = ("onnxruntime", "tokenizers")

_WORDS_ALONE = "Without it intents and knowledge go by words alone."


class _Manifest(msgspec.Struct):
    name: str = ""
    dimensions: int = 0
    licence: str = ""


def models_here(settings: Settings) -> Iterator[Finding]:
    """Findings about the model process; nothing of it is ever needed to serve, so they are hints."""
    infer = settings.infer
    if not infer.enabled:
        yield Finding(True, "models are switched off by infer.enabled")
    elif infer.addresses:
        for address in infer.addresses:
            yield _elsewhere(address)
    else:
        yield from _own(infer, infer.models_in(Path(settings.server.data).absolute()))


def _own(infer: InferSettings, folder: Path) -> Iterator[Finding]:
    missing = [name for name in _RUNTIME if importlib.util.find_spec(name) is None]
    if missing:
        what = f"models cannot be run: {', '.join(missing)} missing"
        yield Finding(False, what, f'Install them with `pip install "xiaoer[models]"`. {_WORDS_ALONE}', hint=True)
    yield _folder("encoder", folder / infer.model, _WORDS_ALONE)
    yield _folder("verifier", folder / infer.verifier, "Without it no answer is given again for a question by meaning.")


def _folder(what: str, folder: Path, without: str) -> Finding:
    pull = f"Get it with `xiaoer models pull {folder.name}`."
    try:
        manifest = msgspec.json.decode((folder / "manifest.json").read_bytes(), type=_Manifest)
    except FileNotFoundError:
        return Finding(False, f"no {what} {folder.name} in {folder.parent}", f"{pull} {without}", hint=True)
    except (OSError, msgspec.DecodeError) as error:
        return Finding(False, f"{what} {folder}: its manifest cannot be read: {error}", pull, hint=True)
    dimensions = f", {manifest.dimensions} dimensions" if manifest.dimensions else ""
    licence = f", {manifest.licence}" if manifest.licence else ""
    return Finding(True, f"{what} {manifest.name or folder.name}{dimensions}{licence}")


def _elsewhere(address: str) -> Finding:
    if importlib.util.find_spec("grpc") is None:
        return Finding(False, f"model process at {address}: not asked, grpcio is missing", hint=True)
    import grpc

    from . import service_pb2 as messages
    from . import service_pb2_grpc as stubs

    try:
        with grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
            stub = stubs.InferStub(channel)  # type: ignore[no-untyped-call]
            found = stub.Describe(messages.DescribeRequest(), timeout=SECONDS)
    except grpc.RpcError:
        return Finding(
            False,
            f"model process at {address} does not answer",
            f"Start one there: python -m xiaoer_server.infer --listen {address} --models DIR. {_WORDS_ALONE}",
            hint=True,
        )
    if not found.version:
        advice = f"Get one there with `xiaoer models pull`. {_WORDS_ALONE}"
        return Finding(False, f"model process at {address} has no encoder", advice, hint=True)
    verifier = f"verifier {found.verifier}" if found.verifier else "no verifier"
    return Finding(True, f"model process at {address}: {found.version}, {found.dimensions} dimensions, {verifier}")
