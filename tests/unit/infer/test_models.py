"""A model's folder: what is taken, and what is refused with which words."""

from pathlib import Path

import msgspec
import pytest

from xiaoer_server.cli import main
from xiaoer_server.cli_shared import EX_DATAERR, EX_NOINPUT, EX_OK
from xiaoer_server.infer.manifest import Manifest, ModelRefused, sha256_of, verified, write
from xiaoer_server.infer.models import ModelStore

pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")

from xiaoer_server.infer.encoder import Encoder


def _make(folder: Path, name: str = "tiny", dimensions: int = 4, **files: bytes) -> Path:
    """A model that gives (1, 2, …) for every text: its table of words has one row."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper
    from tokenizers import Tokenizer, models, pre_tokenizers

    folder.mkdir(parents=True)
    made = files.pop("value", b"")
    row = np.full((1, 4), np.nan, np.float32) if made else np.arange(1, 5, dtype=np.float32)[None]
    ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["n", "t"])
    mask = helper.make_tensor_value_info("attention_mask", TensorProto.INT64, ["n", "t"])
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", "t", 4])
    nodes = [helper.make_node("Mul", ["input_ids", "zero"], ["places"])]
    nodes.append(helper.make_node("Gather", ["table", "places"], ["y"]))
    constants = [numpy_helper.from_array(row, "table"), numpy_helper.from_array(np.array(0, np.int64), "zero")]
    graph = helper.make_graph(nodes, "tiny", [ids, mask], [out], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    tokenizer = Tokenizer(models.WordLevel({"?": 0, "hello": 1}, "?"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    content = {"model.onnx": model.SerializeToString(), "tokenizer.json": tokenizer.to_str().encode()}
    content |= {file.replace("_", "."): value for file, value in files.items()}
    for file, value in content.items():
        (folder / file).write_bytes(value)
    hashes = {file: sha256_of(folder / file) for file in content}
    write(folder, Manifest(name=name, kind="encoder", files=hashes, dimensions=dimensions, licence="MIT"))
    return folder


def test_import_list_open_remove(tmp_path: Path) -> None:
    store = ModelStore(tmp_path / "models")
    assert store.list() == []
    manifest = store.import_(_make(tmp_path / "source"))
    assert store.list() == [("tiny", manifest)]
    folder, opened = store.open("tiny")
    assert opened == manifest
    assert manifest.version.startswith("tiny@")
    vectors = Encoder(folder).embed(["hello", "", "x" * 1_000_000])
    assert vectors.shape == (3, 4)
    assert vectors[0] @ vectors[0] == pytest.approx(1)
    assert store.remove("tiny")
    assert not store.remove("tiny")
    assert list(store.folder.iterdir()) == []


def test_what_was_changed_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    store = ModelStore(tmp_path / "models")
    source = _make(tmp_path / "source")
    store.import_(source)
    with (store.path("tiny") / "model.onnx").open("ab") as file:
        file.write(b"x")
    with pytest.raises(ModelRefused, match="SHA-256"):
        store.open("tiny")
    with pytest.raises(ModelRefused, match="SHA-256"):
        Encoder(store.path("tiny"))
    store.import_(source)  # replaces it
    store.open("tiny")
    (source / "tokenizer.json").write_bytes(b"{}")
    with pytest.raises(ModelRefused, match=r"tokenizer\.json: its SHA-256"):
        store.import_(source)
    store.open("tiny")
    assert [path.name for path in store.folder.iterdir()] == ["tiny"]


def test_a_failed_pull_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from xiaoer_server.infer import models

    def fails(folder: Path, progress: object) -> None:
        (folder / "model.onnx").write_bytes(b"half")
        raise ModelRefused("the package is not installed")

    monkeypatch.setitem(models.RECIPES, "tiny", fails)
    store = ModelStore(tmp_path / "models")
    store.import_(_make(tmp_path / "source"))
    with pytest.raises(ModelRefused, match="not installed"):
        store.pull("tiny")
    store.open("tiny")
    assert [path.name for path in store.folder.iterdir()] == ["tiny"]
    with pytest.raises(ModelRefused, match="no recipe"):
        store.pull("unknown")


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "/etc", "A", "a\n", "x" * 65, ".x"])
def test_names_that_are_paths(tmp_path: Path, name: str) -> None:
    store = ModelStore(tmp_path / "models")
    for act in (store.open, store.pull, store.remove, store.path):
        with pytest.raises(ModelRefused, match="no model's name"):
            act(name)


@pytest.mark.parametrize("file", ["../model.onnx", "/etc/passwd", "a/b", ".hidden", ""])
def test_files_that_are_paths(tmp_path: Path, file: str) -> None:
    source = _make(tmp_path / "source")
    manifest = msgspec.json.decode((source / "manifest.json").read_bytes())
    manifest["files"][file] = "0" * 64
    (source / "manifest.json").write_bytes(msgspec.json.encode(manifest))
    with pytest.raises(ModelRefused, match=r"manifest\.json"):
        ModelStore(tmp_path / "models").import_(source)


def test_links_are_refused(tmp_path: Path) -> None:
    source = _make(tmp_path / "source")
    (source / "model.onnx").rename(tmp_path / "elsewhere")
    (source / "model.onnx").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ModelRefused, match="no plain file"):
        verified(source)
    store = ModelStore(tmp_path / "models")
    store.folder.mkdir()
    store.path("linked").symlink_to(source)
    assert store.remove("linked")
    assert (source / "manifest.json").is_file()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b"{}", b"[" * 100_000, b" " * 1_048_577])
def test_manifests_that_are_none(tmp_path: Path, content: bytes) -> None:
    source = _make(tmp_path / "models" / "tiny")
    (source / "manifest.json").write_bytes(content)
    with pytest.raises(ModelRefused, match=r"manifest\.json"):
        verified(source)
    [(name, problem)] = ModelStore(tmp_path / "models").list()
    assert name == "tiny"
    assert isinstance(problem, str)


def test_an_onnx_model_needs_its_tokenizer(tmp_path: Path) -> None:
    source = _make(tmp_path / "source")
    manifest = msgspec.structs.replace(verified(source), files={"model.onnx": sha256_of(source / "model.onnx")})
    write(source, manifest)
    with pytest.raises(ModelRefused, match=r"names no tokenizer\.json"):
        verified(source)


def test_graphs_that_cannot_run(tmp_path: Path) -> None:
    whole = _make(tmp_path / "whole")
    cut = (whole / "model.onnx").read_bytes()[:-40]
    with pytest.raises(ModelRefused, match="cannot be loaded"):
        Encoder(_make(tmp_path / "cut", model_onnx=cut))
    with pytest.raises(ModelRefused, match="cannot be loaded"):
        Encoder(_make(tmp_path / "words", tokenizer_json=b"{}"))
    with pytest.raises(ModelRefused, match="makes 4 dimensions and says 5"):
        Encoder(_make(tmp_path / "other", dimensions=5))
    with pytest.raises(ModelRefused, match="not finite"):
        Encoder(_make(tmp_path / "nan", value=b"nan"))


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(["models", *arguments, "--data", str(tmp_path / "data")])
        return code, *capsys.readouterr()

    source = _make(tmp_path / "source")
    assert run("list")[0] == EX_OK
    code, out, _ = run("import", str(source))
    assert (code, out.partition("@")[0]) == (EX_OK, "tiny")
    assert "licence MIT" in out
    listed = msgspec.json.decode(run("list", "--check", "--json")[1])
    assert [(model["name"], model["dimensions"]) for model in listed] == [("tiny", 4)]
    (tmp_path / "data" / "models" / "tiny" / "model.onnx").write_bytes(b"another")
    code, out, _ = run("list", "--check")
    assert code == EX_DATAERR
    assert "refused" in out
    [problem] = msgspec.json.decode(run("list", "--check", "--json")[1])
    assert "model.onnx" in problem["problem"]
    for arguments, expected, words in (
        (("import", str(tmp_path / "nothing")), EX_DATAERR, "manifest.json"),
        (("pull", "nobody"), EX_DATAERR, "nobody"),
        (("remove", "nobody"), EX_NOINPUT, "no model 'nobody'"),
    ):
        code, _, problems = run(*arguments)
        assert (code, problems.count("\n")) == (expected, 1), problems
        assert words in problems
    assert run("remove", "tiny")[0] == EX_OK
    assert run("list")[1].count("tiny") == 0
