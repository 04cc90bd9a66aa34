"""Which build of ours this process measures; the peers are measured beside the native one."""

import os
from typing import Final, Literal

from xiaoer import build_info

Run = Literal["native", "portable", "pure"]
RUNS: Final[tuple[Run, ...]] = ("native", "portable", "pure")
ENVIRONMENT: Final[dict[Run, dict[str, str]]] = {
    "native": {"XIAOER_BACKEND": "native"},
    "portable": {"XIAOER_BACKEND": "native", "XIAOER_SIMD": "off"},
    "pure": {"XIAOER_BACKEND": "pure"},
}


def this_run() -> Run:
    """Raises RuntimeError on a build that no figure should be made of."""
    build = build_info()
    if build["backend"] == "pure":
        return "pure"
    if build["backend"] != "native":
        raise RuntimeError(f"only some kernels are compiled ({build['modules']}); run `make build`")
    if build["profile"] != "release":
        raise RuntimeError("the kernels are a debug build, many times slower; run `make build`")
    return "portable" if os.environ.get("XIAOER_SIMD") == "off" else "native"
