"""Chooses, for each kernel, the compiled module or its pure-Python twin.

`XIAOER_BACKEND=native` demands the compiled modules, `XIAOER_BACKEND=pure` leaves them out. Unset, a module that is
installed is used and one that is not (a CPU nobody built it for) is replaced by its twin; `build_info()` tells.
A module that is installed but broken, of another version, or built without optimisation is always an error: to go
on slowly or wrongly without a word is what nobody would notice.
"""

import importlib
import os
from types import ModuleType
from typing import Final, Literal, TypedDict

from xiaoer._version import __version__
from xiaoer.errors import BackendError

Choice = Literal["native", "pure", ""]

_found: dict[str, ModuleType | None] = {}


class BuildInfo(TypedDict):
    """What `build_info()` returns."""

    version: str
    backend: Literal["native", "pure", "mixed"]
    modules: dict[str, bool]
    native_version: str | None
    profile: Literal["release", "debug"] | None
    cpu_features: list[str]


def _read_choice() -> Choice:
    value = os.environ.get("XIAOER_BACKEND", "")
    if value == "native":
        return "native"
    if value == "pure":
        return "pure"
    if value == "":
        return ""
    raise BackendError(f"XIAOER_BACKEND is {value!r}; allowed are 'native' and 'pure'")


choice: Final[Choice] = _read_choice()


def load(name: str) -> ModuleType | None:
    """The compiled module `name`, or None where its pure twin is to be used.

    Raises BackendError if it was asked for and is missing, if it does not load, if its `__version__` is not that of
    this package, or if it is a debug build and `XIAOER_ALLOW_DEBUG` is not 1.
    """
    if name not in _found:
        _found[name] = None if choice == "pure" else _import(name)
    return _found[name]


def _import(name: str) -> ModuleType | None:
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise BackendError(f"{name} is installed but does not load: {error}") from error
        if choice == "native":
            raise BackendError(
                f"XIAOER_BACKEND=native, but {name} is not installed: install xiaoer-native {__version__} "
                "and build xiaoer with a C compiler, or unset XIAOER_BACKEND"
            ) from error
        return None
    except ImportError as error:
        raise BackendError(f"{name} is installed but does not load: {error}") from error
    version = getattr(module, "__version__", __version__)
    if version != __version__:
        raise BackendError(
            f"{name} is version {version}, xiaoer is {__version__}: install xiaoer-native=={__version__}"
        )
    if getattr(module, "profile", "release") != "release" and os.environ.get("XIAOER_ALLOW_DEBUG") != "1":
        raise BackendError(
            f"{name} is a debug build, many times slower: rebuild it in release mode, or set XIAOER_ALLOW_DEBUG=1"
        )
    return module


def build_info() -> BuildInfo:
    """Which kernels run here: versions, build profile and the CPU features that they found.

    `backend` is "native" if every kernel is compiled, "pure" if none is, else "mixed"; `modules` tells each.
    """
    modules = {name: module is not None for name, module in sorted(_found.items())}
    native = _found.get("xiaoer_native")
    return BuildInfo(
        version=__version__,
        backend="native" if all(modules.values()) else "mixed" if any(modules.values()) else "pure",
        modules=modules,
        native_version=None if native is None else native.__version__,
        profile=None if native is None else native.profile,
        cpu_features=[] if native is None else native.cpu_features(),
    )
