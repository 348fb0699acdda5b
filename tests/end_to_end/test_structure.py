"""The limits that keep the package readable: sizes of modules, functions and folders, names, docstrings."""

from __future__ import annotations

import ast
import re
from collections import Counter
from graphlib import TopologicalSorter
from pathlib import Path

import grimp

import imgexp_tui

PACKAGE = Path(imgexp_tui.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
MAX_MODULE_LINES, MAX_FUNCTION_LINES, MAX_MODULES_PER_FOLDER = 400, 60, 20


def _name(path: Path) -> str:
    return path.relative_to(PACKAGE.parent).as_posix()


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def test_no_module_is_longer_than_400_lines() -> None:
    lengths = {_name(path): len(path.read_text().splitlines()) for path in MODULES}
    assert {name: count for name, count in lengths.items() if count > MAX_MODULE_LINES} == {}


def test_no_function_is_longer_than_60_lines() -> None:
    lengths = {
        f"{_name(path)}:{node.lineno} {node.name}": (node.end_lineno or node.lineno) - node.lineno + 1
        for path in MODULES
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {name: count for name, count in lengths.items() if count > MAX_FUNCTION_LINES} == {}


def test_no_folder_has_more_than_20_modules() -> None:
    counts = Counter(_name(path.parent) for path in MODULES if path.name != "__init__.py")
    assert {name: count for name, count in counts.items() if count > MAX_MODULES_PER_FOLDER} == {}


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Late imports and those for type checkers count too."""
    graph = grimp.build_graph("imgexp_tui", cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    TopologicalSorter(imports).prepare()  # raises CycleError, which names the circle


def test_no_class_name_is_used_twice() -> None:
    places: dict[str, list[str]] = {}
    for path in MODULES:
        for node in ast.walk(_tree(path)):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(f"{_name(path)}:{node.lineno}")
    assert {name: lines for name, lines in places.items() if len(lines) > 1} == {}


def test_every_package_and_module_says_what_it_holds() -> None:
    assert [_name(path) for path in MODULES if not (ast.get_docstring(_tree(path)) or "").strip()] == []
    folders = {path.parent for path in MODULES}
    assert sorted(_name(folder) for folder in folders if not (folder / "__init__.py").is_file()) == []


def test_the_word_slurm_stands_only_with_its_launcher_and_in_the_schema() -> None:
    homes = ("imgexp_tui/runner/launchers/slurm/", "imgexp_tui/notebook/schema/")
    files = [path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    others = [path for path in files if not _name(path).startswith(homes)]
    word = re.compile(rb"\bslurm\b", re.IGNORECASE)
    assert [_name(path) for path in others if word.search(path.read_bytes())] == []
