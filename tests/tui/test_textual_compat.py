"""Private names of Textual and Rich: they exist, only `textual_compat` touches them, and none is taken by accident."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from rich.console import Console

import imgexp_tui.tui
from imgexp_tui.tui.textual_compat import PRIVATE_NAMES

SOURCES = Path(imgexp_tui.tui.__file__).parent
COMPAT = SOURCES / "textual_compat.py"
LIBRARIES = ("textual", "rich")


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


@cache
def names_in_source(cls: type[Any]) -> frozenset[str]:
    """The names that the source of a class defines: methods, class attributes, and attributes set on `self`."""
    try:
        tree = ast.parse(inspect.cleandoc("\n" + inspect.getsource(cls)))
    except (OSError, TypeError, SyntaxError):
        return frozenset()
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            names |= {node.attr} if isinstance(node.value, ast.Name) and node.value.id == "self" else set()
    for node in tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else ():
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return frozenset(names)


def library_names(cls: type[Any]) -> frozenset[str]:
    """The private names that a class has from Textual or Rich."""
    bases = [base for base in cls.__mro__ if base.__module__.partition(".")[0] in LIBRARIES]
    return frozenset(name for base in bases for name in names_in_source(base) | vars(base).keys() if is_private(name))


def our_modules() -> Iterator[ModuleType]:
    for module in pkgutil.walk_packages(imgexp_tui.tui.__path__, "imgexp_tui.tui."):
        yield importlib.import_module(module.name)


def our_classes() -> list[type[Any]]:
    """The classes of `tui` that have a class of Textual or Rich among their bases."""
    found = {
        cls
        for module in our_modules()
        for cls in vars(module).values()
        if isinstance(cls, type) and cls.__module__ == module.__name__ and library_names(cls)
    }
    return sorted(found, key=lambda cls: (cls.__module__, cls.__qualname__))


def resolve(path: str) -> type[Any]:
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


@pytest.mark.parametrize("path", PRIVATE_NAMES)
def test_each_private_name_exists_in_the_installed_version(path: str) -> None:
    cls = resolve(path)
    assert set(PRIVATE_NAMES[path]) <= library_names(cls)


def test_a_console_takes_an_environment() -> None:
    assert "_environ" in inspect.signature(Console).parameters


def test_no_attribute_of_ours_has_the_name_of_a_private_one_by_accident() -> None:
    collisions = []
    for cls in our_classes():
        listed = {name for path, names in PRIVATE_NAMES.items() if issubclass(cls, resolve(path)) for name in names}
        ours = {name for name in names_in_source(cls) if is_private(name)}
        collisions += [f"{cls.__qualname__}.{name}" for name in sorted((ours & library_names(cls)) - listed)]
    assert collisions == []


def test_the_classes_are_found() -> None:
    names = {cls.__name__ for cls in our_classes()}
    assert {"LabApp", "MainScreen", "EditorScreen", "NoteArea", "VersionTable", "NoteDocument"} <= names


@pytest.mark.parametrize(
    "path", sorted(set(SOURCES.rglob("*.py")) - {COMPAT}), ids=lambda p: str(p.relative_to(SOURCES))
)
def test_only_textual_compat_touches_private_names(path: Path) -> None:
    private = {name for names in PRIVATE_NAMES.values() for name in names}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in LIBRARIES:
            parts = [*(node.module or "").split("."), *(alias.name for alias in node.names)]
            assert not any(map(is_private, parts)), f"line {node.lineno} imports {'.'.join(parts)}"
        if isinstance(node, ast.Attribute) and node.attr in private:
            assert isinstance(node.value, ast.Name | ast.Call), f"line {node.lineno} touches {node.attr}"
            owner = node.value.id if isinstance(node.value, ast.Name) else ast.unparse(node.value)
            assert owner in ("self", "super()"), f"line {node.lineno} touches {owner}.{node.attr}"
