from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    QUERY: _ClassVar[Kind]
    PASSAGE: _ClassVar[Kind]
QUERY: Kind
PASSAGE: Kind

class DescribeRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Description(_message.Message):
    __slots__ = ("version", "dimensions", "verifier", "waiting", "verifier_curve")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    DIMENSIONS_FIELD_NUMBER: _ClassVar[int]
    VERIFIER_FIELD_NUMBER: _ClassVar[int]
    WAITING_FIELD_NUMBER: _ClassVar[int]
    VERIFIER_CURVE_FIELD_NUMBER: _ClassVar[int]
    version: str
    dimensions: int
    verifier: str
    waiting: int
    verifier_curve: _containers.RepeatedCompositeFieldContainer[CurvePoint]
    def __init__(self, version: _Optional[str] = ..., dimensions: _Optional[int] = ..., verifier: _Optional[str] = ..., waiting: _Optional[int] = ..., verifier_curve: _Optional[_Iterable[_Union[CurvePoint, _Mapping]]] = ...) -> None: ...

class CurvePoint(_message.Message):
    __slots__ = ("threshold", "wrong")
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    WRONG_FIELD_NUMBER: _ClassVar[int]
    threshold: float
    wrong: float
    def __init__(self, threshold: _Optional[float] = ..., wrong: _Optional[float] = ...) -> None: ...

class EmbedRequest(_message.Message):
    __slots__ = ("texts", "kind")
    TEXTS_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    texts: _containers.RepeatedScalarFieldContainer[str]
    kind: Kind
    def __init__(self, texts: _Optional[_Iterable[str]] = ..., kind: _Optional[_Union[Kind, str]] = ...) -> None: ...

class Embeddings(_message.Message):
    __slots__ = ("version", "dimensions", "vectors")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    DIMENSIONS_FIELD_NUMBER: _ClassVar[int]
    VECTORS_FIELD_NUMBER: _ClassVar[int]
    version: str
    dimensions: int
    vectors: bytes
    def __init__(self, version: _Optional[str] = ..., dimensions: _Optional[int] = ..., vectors: _Optional[bytes] = ...) -> None: ...

class ClassifyRequest(_message.Message):
    __slots__ = ("head", "texts")
    HEAD_FIELD_NUMBER: _ClassVar[int]
    TEXTS_FIELD_NUMBER: _ClassVar[int]
    head: str
    texts: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, head: _Optional[str] = ..., texts: _Optional[_Iterable[str]] = ...) -> None: ...

class Label(_message.Message):
    __slots__ = ("name", "probability")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    name: str
    probability: float
    def __init__(self, name: _Optional[str] = ..., probability: _Optional[float] = ...) -> None: ...

class Scores(_message.Message):
    __slots__ = ("labels", "inside")
    LABELS_FIELD_NUMBER: _ClassVar[int]
    INSIDE_FIELD_NUMBER: _ClassVar[int]
    labels: _containers.RepeatedCompositeFieldContainer[Label]
    inside: float
    def __init__(self, labels: _Optional[_Iterable[_Union[Label, _Mapping]]] = ..., inside: _Optional[float] = ...) -> None: ...

class Classification(_message.Message):
    __slots__ = ("version", "scores")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SCORES_FIELD_NUMBER: _ClassVar[int]
    version: str
    scores: _containers.RepeatedCompositeFieldContainer[Scores]
    def __init__(self, version: _Optional[str] = ..., scores: _Optional[_Iterable[_Union[Scores, _Mapping]]] = ...) -> None: ...

class Pair(_message.Message):
    __slots__ = ("left", "right")
    LEFT_FIELD_NUMBER: _ClassVar[int]
    RIGHT_FIELD_NUMBER: _ClassVar[int]
    left: str
    right: str
    def __init__(self, left: _Optional[str] = ..., right: _Optional[str] = ...) -> None: ...

class VerifyRequest(_message.Message):
    __slots__ = ("pairs",)
    PAIRS_FIELD_NUMBER: _ClassVar[int]
    pairs: _containers.RepeatedCompositeFieldContainer[Pair]
    def __init__(self, pairs: _Optional[_Iterable[_Union[Pair, _Mapping]]] = ...) -> None: ...

class Verification(_message.Message):
    __slots__ = ("version", "probabilities")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    PROBABILITIES_FIELD_NUMBER: _ClassVar[int]
    version: str
    probabilities: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, version: _Optional[str] = ..., probabilities: _Optional[_Iterable[float]] = ...) -> None: ...

class Head(_message.Message):
    __slots__ = ("sha256", "content")
    SHA256_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    sha256: str
    content: bytes
    def __init__(self, sha256: _Optional[str] = ..., content: _Optional[bytes] = ...) -> None: ...

class Uploaded(_message.Message):
    __slots__ = ("sha256",)
    SHA256_FIELD_NUMBER: _ClassVar[int]
    sha256: str
    def __init__(self, sha256: _Optional[str] = ...) -> None: ...
