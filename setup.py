"""The Cython extension modules, and nothing else; metadata is in pyproject.toml."""

from Cython.Build import cythonize
from setuptools import Extension, setup

# Each with the files that it includes.
MODULES = {"queue": ["queue_lists.pxd"], "sse": ["delta.h", "json_text.h"]}

setup(
    ext_modules=cythonize(
        [
            Extension(
                f"xiaoer._{module}",
                [f"native/cython/_{module}.pyx"],
                include_dirs=["native/cython"],
                depends=[f"native/cython/{header}" for header in headers],
                extra_compile_args=["-O3"],
            )
            for module, headers in MODULES.items()
        ],
        language_level=3,
        include_path=["native/cython"],
    )
)
