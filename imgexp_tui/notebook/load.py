"""Reads `experiments.toml`: every version, and every problem with its line, at once.

It is on the way to the app's first frame, so it uses tomli and nothing slower. Nothing in the file makes it raise: a
version with problems is kept with what could be read of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from imgexp_tui.notebook.finding_names import names_fault
from imgexp_tui.notebook.model import FIELDS, VERSION_NAME, Notebook, NotebookError, Problem, Version, tags_fault
from imgexp_tui.notebook.schema import alerts
from imgexp_tui.notebook.schema import command as commands
from imgexp_tui.notebook.schema.alerts import ALERTS
from imgexp_tui.notebook.schema.resources import NEEDS, count_fault, needs_of, options_fault
from imgexp_tui.notebook.schema.resources import fault as need_fault
from imgexp_tui.notebook.schema.settings import SETTINGS, Value, nearest
from imgexp_tui.notebook.toml.spans import KeyPath, join_key
from imgexp_tui.notebook.toml.tolerant import parse
from imgexp_tui.paths import NOTEBOOK

_T = TypeVar("_T")
_TOP = ("lab", "defaults", "versions")
_LAB = ("title", "heartbeat", "grace", "slots", *ALERTS, *NEEDS, "slurm", "findings_off")
_VERSION = ("base", *FIELDS, "command", "group", "tags", "archived", *NEEDS, "train")
_MOST_SLOTS = 1024
_TEXTS = (*FIELDS, "group")
_HARMLESS = (*_TEXTS, "tags", "archived")
"""Keys whose problems do not stop a run."""


def load(lab: Path) -> Notebook:
    """The notebook of a lab.

    Raises:
        NotebookError: the file is missing or cannot be read.
    """
    path = lab / NOTEBOOK
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise NotebookError(f"there is no {path}; start one with: imgexp-tui init") from None
    except OSError as error:
        raise NotebookError(f"cannot read {path}: {error.strerror}") from None
    try:
        return read(raw.decode("utf-8"), lab)
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        odd = Problem(NOTEBOOK, line, "", "this is not UTF-8; save the file as UTF-8")
        return read(raw.decode("utf-8", "replace"), lab, odd)


def read(text: str, lab: Path, *known: Problem) -> Notebook:
    """The notebook that `text` holds, with the problems that are `known` of it besides."""
    return _Reader(text, lab, known).notebook()


class _Reader:
    """One reading: the parsed tables, and the problems found so far with their key paths."""

    def __init__(self, text: str, lab: Path, known: Iterable[Problem]) -> None:
        self._lab = lab
        self._data, faults, self._scan = parse(text)
        self._found: list[tuple[KeyPath, Problem]] = [((), problem) for problem in known]
        for fault in faults:
            self._found.append((fault.path, Problem(NOTEBOOK, fault.line, join_key(fault.path), fault.message)))

    def notebook(self) -> Notebook:
        self._known(self._data, (), _TOP, "table")
        lab = self._lab_table()
        defaults = self._table(self._data, ("defaults",))
        tables = {name: self._version_table(name) for name in self._table(self._data, ("versions",))}
        family = _Family(tables)
        self._bases(family)
        argv = self._commands(defaults, family)
        free = "command" in defaults or (bool(tables) and all(argv.values()))
        common = self._settings({k: v for k, v in defaults.items() if k != "command"}, ("defaults",), free=free)
        own = {name: self._own(name, table, free=bool(argv[name])) for name, table in tables.items()}
        train = family.fold(common, lambda settings, name: {**settings, **own[name]})
        for name, settings in train.items():
            self._placeholders(name, argv[name], settings)
        return Notebook(
            path=self._lab / NOTEBOOK,
            lab=self._lab,
            title=lab.pop("title", self._lab.absolute().name),
            settings=lab,
            defaults=common,
            versions={name: self._version(name, family, own[name], train[name], argv[name], lab) for name in tables},
            problems=tuple(sorted((p for _, p in self._found), key=lambda p: p.line)),
        )

    # Problems

    def _problem(self, path: KeyPath, message: str) -> None:
        self._found.append((path, Problem(NOTEBOOK, self._scan.line(path), join_key(path), message)))

    def _known(self, table: Mapping[str, Any], path: KeyPath, names: Iterable[str], what: str) -> None:
        """Report the keys of `table` that are not among `names`."""
        names = tuple(names)
        for key in table:
            if key in names:
                continue
            if path[2:] == ("train",) and key in _VERSION:
                mend = f"it belongs above [{join_key(path)}]"
            elif len(path) == 2 and key in SETTINGS:
                mend = f"settings stand under [{join_key(path)}.train]"
            elif near := nearest(key, names):
                mend = f"did you mean {near}?"
            else:
                mend = f"take one of {', '.join(names)}" if len(names) < 10 else "docs/settings.md lists them all"
            self._problem((*path, key), f"unknown {what}; {mend}")

    def _problems_of(self, name: str, family: _Family) -> tuple[tuple[Problem, ...], bool]:
        """The problems that a version has or inherits, by line, and whether none of them stops its run."""
        if not self._found:
            return (), True
        line, problems, runnable = set(family.line(name)), [], True
        for path, problem in self._found:
            mine = path[:2] == ("versions", name)
            harmless = path[2:3] != () and path[2] in _HARMLESS
            inherited = path[:1] == ("defaults",) or (path[:1] == ("versions",) and path[1:2] and path[1] in line)
            if mine or (inherited and not harmless):
                problems.append(problem)
                runnable = runnable and harmless
        return tuple(sorted(problems, key=lambda p: p.line)), runnable

    # Tables

    def _table(self, table: Mapping[str, Any], path: KeyPath) -> dict[str, Any]:
        """The table under the last key of `path`; {} where it is missing or no table."""
        found = table.get(path[-1], {})
        if isinstance(found, dict):
            return found
        self._problem(path, f"must be a table; write [{join_key(path)}]")
        return {}

    def _lab_table(self) -> dict[str, Any]:
        table = self._table(self._data, ("lab",))
        self._known(table, ("lab",), _LAB, "key")
        lab: dict[str, Any] = {}
        for key, value in table.items():
            if key == "title" and not isinstance(value, str):
                self._problem(("lab", key), "must be a text in quotes")
            elif key in ("heartbeat", "grace") and not (_is_number(value) and value >= 0):
                self._problem(("lab", key), "must be a number of seconds, such as 60")
            elif key in ("slots", "slurm", "findings_off", *ALERTS, *NEEDS) and (wrong := _lab_fault(key, value)):
                self._problem(("lab", key), wrong)
            elif key in _LAB:
                lab[key] = value
        return lab

    def _version_table(self, name: str) -> dict[str, Any]:
        path = ("versions", name)
        if not VERSION_NAME.fullmatch(name):
            takes = "takes letters, digits, '.', '_' and '-', starts with a letter or digit and is at most 64 long"
            self._problem(path, f"this is no name for a version, which {takes}")
        table = self._table(self._data["versions"], path)
        self._known(table, path, _VERSION, "key")
        for key in ("base", *_TEXTS):
            if not isinstance(table.get(key, ""), str):
                self._problem((*path, key), "must be a text in quotes")
        if "tags" in table and (wrong := tags_fault(table["tags"])):
            self._problem((*path, "tags"), wrong)
        if not isinstance(table.get("archived", False), bool):
            self._problem((*path, "archived"), "must be true or false")
        for key in NEEDS:
            if key in table and (wrong := need_fault(key, table[key])):
                self._problem((*path, key), wrong)
        return table

    def _bases(self, family: _Family) -> None:
        for name, table in family.tables.items():
            base, path = table.get("base"), ("versions", name, "base")
            if isinstance(base, str) and base not in family.tables:
                near = nearest(base, (v for v in family.tables if v != name))
                mend = f"did you mean {near}?" if near else "take one that is in this file"
                self._problem(path, f"there is no version {base!r}; {mend}")
            elif (circle := family.circle(name)) and name == next(v for v in family.tables if v in circle):
                self._problem(path, f"{' → '.join(circle)} goes in a circle; give one of them another base")

    def _commands(self, defaults: Mapping[str, Any], family: _Family) -> dict[str, tuple[str, ...] | None]:
        """Version → the command that it has, or inherits from its nearest base or from the defaults."""
        shared = self._command(defaults, ("defaults",))
        argv = {name: self._command(table, ("versions", name)) for name, table in family.tables.items()}
        return family.fold(shared, lambda inherited, name: argv[name] or inherited)

    def _command(self, table: Mapping[str, Any], path: KeyPath) -> tuple[str, ...] | None:
        argv = table.get("command")
        if argv is None:
            return None
        if isinstance(argv, list) and argv and all(isinstance(word, str) for word in argv) and argv[0]:
            return tuple(argv)
        self._problem((*path, "command"), 'must be an array of texts, such as ["python", "train.py", "--bs", "{bs}"]')
        return None

    def _own(self, name: str, table: Mapping[str, Any], *, free: bool) -> dict[str, Value]:
        path = ("versions", name, "train")
        return self._settings(self._table(table, path), path, free=free)

    def _settings(self, table: Mapping[str, Any], path: KeyPath, *, free: bool) -> dict[str, Value]:
        """The settings that are right; for a `command` any key will do."""
        if not free:
            self._known(table, path, SETTINGS, "setting")
        right: dict[str, Value] = {}
        for key, value in table.items():
            if free:
                fault = _free_fault(value)
            elif key in SETTINGS:
                fault = SETTINGS[key].fault(value)
            else:
                continue
            if fault:
                self._problem((*path, key), fault)
            else:
                right[key] = float(value) if not free and SETTINGS[key].kind is float else value
        return right

    def _placeholders(self, name: str, argv: tuple[str, ...] | None, train: Mapping[str, Value]) -> None:
        given = {*train, commands.RUN_DIR}
        for missing in dict.fromkeys(n for n in commands.placeholders(argv or ()) if n not in given):
            near = nearest(missing, given)
            mend = f"did you mean {{{near}}}?" if near else f"set it under [versions.{name}.train]"
            self._problem(("versions", name, "command"), f"{{{missing}}} is not set; {mend}")

    def _version(
        self,
        name: str,
        family: _Family,
        own: dict[str, Value],
        train: dict[str, Value],
        argv: tuple[str, ...] | None,
        lab: Mapping[str, Any],
    ) -> Version:
        table = family.tables[name]
        texts = {key: value for key in ("base", *_TEXTS) if isinstance(value := table.get(key), str)}
        problems, runnable = self._problems_of(name, family)
        tags = table.get("tags", [])
        return Version(
            name,
            own=own,
            train=train,
            command=argv,
            needs=needs_of(*family.stating(name), lab),
            line=self._scan.line(("versions", name)),
            problems=problems,
            runnable=runnable,
            tags=() if tags_fault(tags) else tuple(dict.fromkeys(tags)),
            archived=table.get("archived") is True,
            **texts,
        )


class _Family:
    """Who builds on whom. Nothing is walked twice: a notebook may be one chain of a thousand versions."""

    def __init__(self, tables: dict[str, dict[str, Any]]) -> None:
        self.tables = tables
        self._lines: dict[str, tuple[str, ...]] = {}
        self._needy = {name for name, table in tables.items() if not table.keys().isdisjoint(NEEDS)}

    def line(self, name: str) -> tuple[str, ...]:
        """A version and its bases, nearest first; a circle is walked once."""
        walked: dict[str, None] = {}
        at: str | None = name
        while at is not None and at not in walked and at not in self._lines:
            walked[at] = None
            at = self._base(at)
        if at in walked:  # a circle: each of its versions has a line of its own
            return tuple(walked)
        line = self._lines[at] if at is not None else ()
        for below in reversed(walked):
            line = self._lines[below] = (below, *line)
        return line

    def circle(self, name: str) -> tuple[str, ...]:
        """The circle that `name` is a part of, from it to it; () where it is in none."""
        line = self.line(name)
        return (*line, name) if self._base(line[-1]) == name else ()

    def fold(self, start: _T, join: Callable[[_T, str], _T]) -> dict[str, _T]:
        """Version → `start` joined with its bases, the farthest first, and with itself."""
        done: dict[str, _T] = {}
        for name in self.tables:
            value, ahead = start, []
            for at in self.line(name):
                if at in done and at in self._lines:
                    value = done[at]
                    break
                ahead.append(at)
            for at in reversed(ahead):
                value = join(value, at)
                if at in self._lines:
                    done[at] = value
            done[name] = value
        return {name: done[name] for name in self.tables}

    def stating(self, name: str) -> Iterator[Mapping[str, Any]]:
        """The tables of a version's line that say what a run needs, nearest first."""
        return (self.tables[n] for n in self.line(name) if n in self._needy) if self._needy else iter(())

    def _base(self, name: str) -> str | None:
        base = self.tables[name].get("base")
        return base if isinstance(base, str) and base in self.tables else None


def _lab_fault(key: str, value: object) -> str | None:
    if key == "slots":
        return count_fault(value, 1, _MOST_SLOTS)
    if key == "findings_off":
        return names_fault(value)
    if key in ALERTS:
        return alerts.fault(key, value)
    return options_fault(value) if key == "slurm" else need_fault(key, value)


def _free_fault(value: object) -> str | None:
    if isinstance(value, bool | str) or _is_number(value):
        return None
    return "takes a finite number, true, false or a text in quotes"


def _is_number(value: object) -> bool:
    """Whether it is a number that JSON can carry."""
    if isinstance(value, int):
        return not isinstance(value, bool) and abs(value) < 2**63
    return isinstance(value, float) and math.isfinite(value)
