"""Rules of the source tree that import-linter cannot state: pure modules, sizes of folders, names of classes."""

import ast
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.checkout import ROOT

OPERATOR = ROOT / "operator"
PACKAGE = OPERATOR / "modelops"
MODULES = sorted(file for file in PACKAGE.rglob("*.py"))
FOLDERS = sorted({file.parent for file in MODULES})
CONTRACT = "Plans are pure"
MODULE_LIMIT = 25

INPUT_OUTPUT = {
    "aiohttp",
    "asyncio",
    "boto3",
    "botocore",
    "grpc",
    "http.client",
    "http.server",
    "kopf",
    "kubernetes",
    "modelops.machinery.context",
    "modelops.machinery.kube",
    "modelops.store.client",
    "requests",
    "socket",
    "subprocess",
    "threading",
    "urllib.request",
}
"""Modules that a pure module must not import: a decision needs neither a connection nor a task."""

SAME_NAMES = {
    ("controllers", "Observation"): "each controller's input of plan()",
    ("controllers", "ReportLost"): "an outcome of each controller's Jobs, and controllers do not import each other",
}
"""Public classes that may have one name in several modules of a package, with the reason."""


def name_of(file: Path) -> str:
    """Return the dotted name of a module."""
    parts = file.relative_to(OPERATOR).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def is_pure(file: Path) -> bool:
    """Return whether the module's docstring says `Pure.` or `Pure:`, without an exception."""
    return bool(re.search(r"\bPure[.:]", ast.get_docstring(ast.parse(file.read_text())) or ""))


def imports(file: Path) -> Iterator[str]:
    """Yield the dotted names that a module imports, including those imported from a package."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def contract() -> dict[str, Any]:
    """Return the contract of pyproject.toml that keeps plans pure."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (found,) = [contract for contract in contracts if contract["name"] == CONTRACT]
    assert isinstance(found, dict)
    return found


def matches(module: str, expression: str) -> bool:
    """Return whether a module expression of import-linter matches: `*` is one level, `**` any number of levels."""
    pattern = re.escape(expression).replace(r"\*\*", r".+").replace(r"\*", r"[^.]+")
    return re.fullmatch(pattern, module) is not None


PURE_MODULES = [pytest.param(file, id=name_of(file)) for file in MODULES if is_pure(file)]


@pytest.mark.parametrize("file", PURE_MODULES)
def test_a_module_that_says_it_is_pure_does_no_input_or_output(file: Path) -> None:
    """A reader relies on the word, and tests of a pure module need neither fakes nor an event loop."""
    forbidden = {
        imported
        for imported in imports(file)
        if any(imported == io or imported.startswith(f"{io}.") for io in INPUT_OUTPUT)
    }
    assert not forbidden, f"{name_of(file)} says that it is pure, but imports {', '.join(sorted(forbidden))}"


@pytest.mark.parametrize("file", [param for param in PURE_MODULES if "controllers" in str(param.id)])
def test_a_pure_module_of_a_controller_is_inside_the_contract(file: Path) -> None:
    """A module among the exceptions of the contract may start to read at any time, and nothing would notice."""
    module, rule = name_of(file), contract()
    assert any(matches(module, source) for source in rule["source_modules"])
    exceptions = [line for line in rule["ignore_imports"] if matches(module, line.split(" -> ")[0])]
    assert not exceptions, f"{module} says that it is pure, but is an exception of the contract: {exceptions}"


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(OPERATOR)))
def test_a_folder_has_at_most_25_modules(folder: Path) -> None:
    """A longer list hides what a package decides: divide the package by what its parts decide."""
    modules = [file.name for file in folder.glob("*.py") if file.name != "__init__.py"]
    assert len(modules) <= MODULE_LIMIT, f"{len(modules)} modules: {', '.join(sorted(modules))}"


def classes() -> dict[tuple[str, str], list[str]]:
    """Return the modules of every public class, by (package, name of the class)."""
    modules: dict[tuple[str, str], list[str]] = defaultdict(list)
    for file in MODULES:
        package = file.relative_to(PACKAGE).parts[0]
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                modules[package, node.name].append(name_of(file))
    return modules


def test_no_two_classes_of_a_package_have_the_same_name() -> None:
    """A reader who meets a name twice must be able to rely on its meaning."""
    duplicates = {
        f"{package}: {name}": modules
        for (package, name), modules in classes().items()
        if len(modules) > 1 and (package, name) not in SAME_NAMES
    }
    assert not duplicates


def test_every_permitted_duplicate_exists() -> None:
    """A permission that is no longer needed would hide the next duplicate."""
    assert {key for key, modules in classes().items() if len(modules) > 1} >= SAME_NAMES.keys()
