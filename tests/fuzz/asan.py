"""The kernels' tests on kernels built with AddressSanitizer and UndefinedBehaviorSanitizer: `make asan`.

Everything is built beside the release modules, under build/asan: the Rust module by a nightly toolchain, with debug
assertions, the Cython ones by gcc from a copy of the sources. Both kinds use gcc's sanitizer run-time, which Python
loads before anything else. First each module must be caught at a bug planted in it, or the rest proves nothing.

Without a nightly toolchain the Rust module is the release build, and not checked.
"""

import argparse
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from fuzz.run import ROOT, has_nightly, host

BUILD = ROOT / "build/asan"
PACKAGES = BUILD / "pycore"
RUST_TARGET = ROOT / "native/target/asan"
SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")
# Undefined behaviour ends the process as a bad address does. Frame pointers make the reports readable.
# Cython's own lists of freed objects would hide who still uses one.
FLAGS = "-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -g1 -DCYTHON_USE_FREELISTS=0"
TESTS = [
    "tests/parity",
    *sorted(
        f"tests/unit/{path.name}"
        for kernel in ("filter", "fold", "variants", "chunker", "tokens", "queue", "sse", "threads")
        for path in (ROOT / "tests/unit").glob(f"test_{kernel}*.py")
    ),
]
# They time scans of 50 million characters: nothing that a sanitizer would see more of than in a short text.
TIMED = "not large_text and not who_gives_up"


def build_cython() -> list[str]:
    """Compiles a copy of the modules, each with a planted bug behind it; returns their names."""
    for folder in ("pycore", "native/cython"):
        shutil.copytree(ROOT / folder, BUILD / folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.so", "*.c"))
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        shutil.copy2(ROOT / name, BUILD / name)
    (BUILD / "server").mkdir(exist_ok=True)
    planted = (ROOT / "native/fuzz/planted.pxi").read_text(encoding="utf-8")
    modules = sorted((BUILD / "native/cython").glob("_*.pyx"))
    for module in modules:
        with module.open("a", encoding="utf-8") as file:
            file.write(planted)
    print("==> building the Cython kernels with sanitizers", flush=True)
    environment = dict(os.environ, CFLAGS=FLAGS, LDFLAGS="-fsanitize=address,undefined")
    command = [sys.executable, "setup.py", "-q", "build_ext", "--inplace", "--force"]
    subprocess.run(command, cwd=BUILD, env=environment, check=True)
    return [f"xiaoer.{module.stem}" for module in modules]


def build_rust() -> None:
    """Puts `xiaoer_native` beside the package. Built for speed, with debug assertions and overflow checks."""
    print("==> building the Rust kernels with AddressSanitizer and debug assertions", flush=True)
    environment = dict(os.environ, PYO3_PYTHON=sys.executable, CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS="true")
    environment |= {
        "CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS": "true",
        "CARGO_PROFILE_RELEASE_LTO": "off",
        "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "16",
        "CARGO_PROFILE_RELEASE_DEBUG": "line-tables-only",
        "CARGO_ENCODED_RUSTFLAGS": "\x1f".join(["-Zsanitizer=address", "--cfg=xiaoer_planted_bug"]),
    }
    environment.pop("RUSTFLAGS", None)
    command = ["cargo", "+nightly", "build", "--release", "--locked", "--package", "xiaoer-pybind"]
    command += ["--target", host(), "--target-dir", str(RUST_TARGET)]
    subprocess.run(command, cwd=ROOT / "native", env=environment, check=True)
    built = RUST_TARGET / host() / "release/libxiaoer_native.so"
    shutil.copy2(built, PACKAGES / f"xiaoer_native{SUFFIX}")


def runtime() -> str:
    """gcc's sanitizer libraries, and the C++ one whose exceptions they must know of, for LD_PRELOAD."""
    paths = []
    for name in ("libasan.so", "libubsan.so", "libstdc++.so"):
        told = subprocess.run(["gcc", f"-print-file-name={name}"], capture_output=True, text=True, check=True)
        path = Path(told.stdout.strip())
        if path.is_absolute():
            paths.append(str(path.resolve()))
        elif name != "libstdc++.so":
            sys.exit(f"gcc has no {name}: install its sanitizer libraries (Debian has them in libgcc-*-dev)")
    return " ".join(paths)


def environment() -> dict[str, str]:
    """Of a Python that loads the modules built here."""
    return dict(
        os.environ,
        LD_PRELOAD=runtime(),
        ASAN_OPTIONS="detect_leaks=0:allocator_may_return_null=1:detect_stack_use_after_return=1",
        UBSAN_OPTIONS="print_stacktrace=1",
        PYTHONMALLOC="malloc",
        PYTHONPATH=os.pathsep.join([str(PACKAGES), str(ROOT / "tests")]),
        XIAOER_BACKEND="native",
        XIAOER_ALLOW_DEBUG="1",
        XIAOER_HYPOTHESIS_PROFILE=os.environ.get("XIAOER_HYPOTHESIS_PROFILE", "default"),
    )


def prove(module: str, call: str, report: str) -> None:
    """Demands that a bug planted in a module is seen: that the call ends the process with this report."""
    code = (
        f"import importlib; module = importlib.import_module({module!r})\n"
        f"assert module.__file__.startswith({str(PACKAGES)!r}), module.__file__\n"
        f"print('planted', flush=True); module.{call}; print('nobody saw it')"
    )
    command = [sys.executable, "-c", code]
    ended = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    if ended.returncode == 0 or ended.stdout != "planted\n" or report not in ended.stderr:
        print(ended.stdout, ended.stderr, sep="\n")
        sys.exit(f"the sanitizer did not see the {report} planted in {module}: it would see no other either")
    print(f"{module}: the planted {report} was seen", flush=True)


def main() -> None:
    """Exits with what pytest exits with."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tests", nargs="*", default=TESTS, help="instead of the kernels' tests")
    options = parser.parse_args()
    shutil.rmtree(BUILD, ignore_errors=True)
    BUILD.mkdir(parents=True)
    modules = build_cython()
    if has_nightly():
        build_rust()
        modules.append("xiaoer_native")
    else:
        print("==> no nightly Rust here: the Rust kernels run as released, without a sanitizer", flush=True)
    for module in modules:
        prove(module, "planted_bug(33)", "heap-buffer-overflow")
        if module != "xiaoer_native":
            prove(module, "planted_overflow(1)", "signed integer overflow")
    pytest = [sys.executable, "-X", "faulthandler", "-m", "pytest", "-p", "no:cacheprovider"]
    command = [*pytest, "-k", TIMED, *options.tests]
    sys.exit(subprocess.run(command, cwd=ROOT, env=environment(), check=False).returncode)


if __name__ == "__main__":
    main()
