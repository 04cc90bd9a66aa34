"""Shared by all tests: the random seed in the header, and one run of a kernel test for each backend.

The long profile, about half an hour of one core, draws at least 100,000 examples for each kernel's parity with its
specification, and tells at the end how many:

    XIAOER_HYPOTHESIS_PROFILE=long make test ARGS=tests/parity
"""

import importlib
import os
import random
import sys
from collections.abc import Iterator
from types import ModuleType

import pytest
from hypothesis import HealthCheck, settings

from support.examples import Tally, examples_of_each, kernel_of

SEED = int(os.environ.get("XIAOER_SEED") or random.SystemRandom().randrange(2**32))

PROFILE = os.environ.get("XIAOER_HYPOTHESIS_PROFILE", "default")

settings.register_profile("default", max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("long", max_examples=20_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(PROFILE)

TALLY = Tally()


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    # Before Hypothesis reads its option, so that one number repeats a whole run.
    if config.getoption("--hypothesis-seed") is None:
        config.option.hypothesis_seed = SEED


def pytest_report_header() -> str:
    return f"random seed: {SEED} (repeat with XIAOER_SEED={SEED})"


def pytest_collectstart(collector: pytest.Collector) -> None:
    # `@given` takes the profile that is loaded when the module is imported, which comes next.
    if isinstance(collector, pytest.Module):
        kernel = kernel_of(collector.path)
        if kernel is None or PROFILE != "long":
            settings.load_profile(PROFILE)
        else:
            settings.register_profile(
                f"long, {kernel}", settings.get_profile("long"), max_examples=examples_of_each(kernel)
            )
            settings.load_profile(f"long, {kernel}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    settings.load_profile(PROFILE)
    for item in items:
        TALLY.watch(item.path, getattr(item, "obj", None))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if TALLY.examples:
        terminalreporter.write_line(f"parity: examples of {TALLY}; seed {SEED}")


@pytest.fixture(autouse=True)
def _seeded() -> None:
    random.seed(SEED)


def _import_pure() -> ModuleType:
    """A second `xiaoer`, pure all through, beside the one in `sys.modules`; its classes are its own."""
    ours = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "xiaoer"}
    chosen = os.environ.get("XIAOER_BACKEND")
    for name in ours:
        del sys.modules[name]
    os.environ["XIAOER_BACKEND"] = "pure"
    try:
        return importlib.import_module("xiaoer")
    finally:
        if chosen is None:
            del os.environ["XIAOER_BACKEND"]
        else:
            os.environ["XIAOER_BACKEND"] = chosen
        for name in [name for name in sys.modules if name.split(".")[0] == "xiaoer"]:
            del sys.modules[name]
        sys.modules.update(ours)


@pytest.fixture(scope="session", params=["native", "pure"])
def xiaoer(request: pytest.FixtureRequest) -> Iterator[ModuleType]:
    """The library, once on each backend. Under XIAOER_BACKEND=pure only on that."""
    if request.param == "pure":
        yield _import_pure()
        return
    module = importlib.import_module("xiaoer")
    if os.environ.get("XIAOER_BACKEND") == "pure":
        pytest.skip("XIAOER_BACKEND=pure leaves the compiled kernels out")
    assert module.build_info()["backend"] == "native", module.build_info()
    if os.environ.get("XIAOER_ALLOW_DEBUG") != "1":
        assert module.build_info()["profile"] == "release", module.build_info()
    yield module


@pytest.fixture(scope="session")
def native_xiaoer() -> ModuleType:
    """The library with its compiled kernels, for tests that hold it against `pure_xiaoer`."""
    if os.environ.get("XIAOER_BACKEND") == "pure":
        pytest.skip("XIAOER_BACKEND=pure leaves the compiled kernels out")
    module = importlib.import_module("xiaoer")
    assert module.build_info()["backend"] == "native", module.build_info()
    return module


@pytest.fixture(scope="session")
def pure_xiaoer() -> ModuleType:
    """The library on the pure twins: the oracle."""
    return _import_pure()
