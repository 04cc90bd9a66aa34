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
                extra_compile_args=["-O3"],
            )
            for name in MODULES
        ],
        language_level=3,
        include_path=["native/cython"],
    )
)
