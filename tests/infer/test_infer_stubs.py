"""The committed stubs are those of service.proto."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

import xiaoer_server
from xiaoer_server.infer import service_pb2 as messages


def test_the_stubs_are_those_of_the_file(tmp_path: Path) -> None:
    if importlib.util.find_spec("grpc_tools") is None:
        pytest.skip("grpcio-tools is not installed")
    from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
    from grpc_tools import protoc

    root = Path(xiaoer_server.__file__).parents[1]
    found = tmp_path / "service.bin"
    file = root / "xiaoer_server/infer/service.proto"
    assert protoc.main(["protoc", f"-I{root}", f"--descriptor_set_out={found}", str(file)]) == 0
    (made,) = FileDescriptorSet.FromString(found.read_bytes()).file
    committed = FileDescriptorProto.FromString(messages.DESCRIPTOR.serialized_pb)
    made.ClearField("source_code_info")
    for one in (made, committed):
        for message in one.message_type:
            for field in message.field:
                field.ClearField("json_name")  # protoc writes it out where Python's generator leaves it
    assert made == committed
