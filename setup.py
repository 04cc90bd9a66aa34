"""The Cython extension modules, and nothing else; metadata is in pyproject.toml."""

from Cython.Build import cythonize
from setuptools import Extension, setup

MODULES = ("queue", "sse")

setup(
    ext_modules=cythonize(
        [
            Extension(
                f"xiaoer._{name}",
                [f"native/cython/_{name}.pyx"],
                include_dirs=["native/cython"],
                depends=[f"native/cython/{header}" for header in ("delta.h", "json_text.h")] if name == "sse" else [],
                extra_compile_args=["-O3"],
            )
            for name in MODULES
        ],
        language_level=3,
        include_path=["native/cython"],
    )
)
