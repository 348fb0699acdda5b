"""Parses `experiments.toml` into a `Notebook`, with every problem and its line.

The keys of `[lab]` and of versions are listed here; their values are checked by `schema/`, as are the trainer's
settings (`schema.settings`). Nothing in the file makes parsing raise: a version with problems is kept with what could
be read of it. The app parses the notebook before its first frame, so this uses tomli and nothing slower.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from imgexp_tui.notebook.inheritance import Inheritance
from imgexp_tui.notebook.model import (
    NOTE_FIELDS,
    VERSION_NAME,
    VERSION_NAME_RULE,
    Notebook,
    NotebookError,
    Problem,
    Version,
    tags_error,
)
from imgexp_tui.notebook.schema import alerts
from imgexp_tui.notebook.schema import command as commands
from imgexp_tui.notebook.schema.alerts import ALERT_KEYS
from imgexp_tui.notebook.schema.launchers import OPTION_TABLES, options_error
from imgexp_tui.notebook.schema.metrics import (
    JUDGE_KEYS,
    MetricOverrides,
    clean_overrides,
    judge_error,
    override_problems,
    right_judge,
)
from imgexp_tui.notebook.schema.resources import RESOURCE_KEYS, count_error, resolve_resources, resource_error
from imgexp_tui.notebook.schema.settings import SETTINGS, SettingValue, closest_name
from imgexp_tui.notebook.toml.spans import KeyPath, join_key
from imgexp_tui.notebook.toml.tolerant import parse_tolerant
from imgexp_tui.paths import NOTEBOOK

_TOP_KEYS = ("lab", "defaults", "versions")
_LAB_KEYS = (
    "title",
    "heartbeat",
    "grace",
    "slots",
    *ALERT_KEYS,
    *RESOURCE_KEYS,
    *OPTION_TABLES,
    "findings_off",
    *JUDGE_KEYS,
)
_VERSION_KEYS = ("base", *NOTE_FIELDS, "command", "group", "tags", "archived", *RESOURCE_KEYS, "judge", "train")
_MAX_SLOTS = 1024
_TEXT_KEYS = (*NOTE_FIELDS, "group")
_NON_BLOCKING_KEYS = (*_TEXT_KEYS, "tags", "archived")
"""Keys whose problems do not stop a run."""


def load_notebook(lab: Path, finding_names: Collection[str] = ()) -> Notebook:
    """Reads the notebook of a lab.

    Args:
        finding_names: the names that `[lab] findings_off` may hold; () accepts any name. The notebook cannot import
            the rules, so the caller passes `findings.rules.names()`: see `services.notebook_reader.load_checked`.

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
        return parse_notebook(raw.decode("utf-8"), lab, finding_names=finding_names)
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        odd = Problem(NOTEBOOK, line, "", "this is not UTF-8; save the file as UTF-8")
        return parse_notebook(raw.decode("utf-8", "replace"), lab, odd, finding_names=finding_names)


def parse_notebook(text: str, lab: Path, *known_problems: Problem, finding_names: Collection[str] = ()) -> Notebook:
    """Parses `text` as the notebook of `lab`. Its problems include `known_problems`; `finding_names` as in
    `load_notebook`."""
    return _NotebookParser(text, lab, known_problems, finding_names).parse()


class _NotebookParser:
    """Parses one text.

    Its state is the parsed tables, and the problems so far with their key paths.
    """

    def __init__(self, text: str, lab: Path, known_problems: Iterable[Problem], finding_names: Collection[str]) -> None:
        self._lab = lab
        self._finding_names = finding_names
        self._data, syntax_problems, self._scan = parse_tolerant(text)
        self._problems: list[tuple[KeyPath, Problem]] = [((), problem) for problem in known_problems]
        for syntax_problem in syntax_problems:
            self._problems.append(
                (
                    syntax_problem.path,
                    Problem(NOTEBOOK, syntax_problem.line, join_key(syntax_problem.path), syntax_problem.message),
                )
            )

    def parse(self) -> Notebook:
        self._report_unknown_keys(self._data, (), _TOP_KEYS, "table")
        lab = self._lab_table()
        self._overrides: MetricOverrides = lab.get("metrics", {})
        defaults = self._get_table(self._data, ("defaults",))
        tables = {name: self._version_table(name) for name in self._get_table(self._data, ("versions",))}
        inheritance = Inheritance(tables)
        self._check_bases(inheritance)
        argv = self._resolve_commands(defaults, inheritance)
        any_key = "command" in defaults or (bool(tables) and all(argv.values()))
        common = self._parse_settings(
            {k: v for k, v in defaults.items() if k != "command"}, ("defaults",), any_key=any_key
        )
        own = {name: self._own_settings(name, table, any_key=bool(argv[name])) for name, table in tables.items()}
        train = inheritance.fold(common, lambda settings, name: {**settings, **own[name]})
        own_judges = {name: right_judge(table, self._overrides) for name, table in tables.items()}
        judges = inheritance.fold(str(lab.get("judge", "")), lambda inherited, name: own_judges[name] or inherited)
        for name, settings in train.items():
            self._check_placeholders(name, argv[name], settings)
        return Notebook(
            path=self._lab / NOTEBOOK,
            lab=self._lab,
            title=lab.pop("title", self._lab.absolute().name),
            lab_settings=lab,
            defaults=common,
            versions={
                name: self._build_version(name, inheritance, own[name], train[name], argv[name], judges[name], lab)
                for name in tables
            },
            problems=tuple(sorted((p for _, p in self._problems), key=lambda p: p.line)),
        )

    # Problems

    def _add_problem(self, path: KeyPath, message: str) -> None:
        self._problems.append((path, Problem(NOTEBOOK, self._scan.line_of(path), join_key(path), message)))

    def _report_unknown_keys(
        self, table: Mapping[str, Any], path: KeyPath, known_keys: Iterable[str], kind: str
    ) -> None:
        """Reports the keys of `table` that are not in `known_keys`."""
        known_keys = tuple(known_keys)
        for key in table:
            if key in known_keys:
                continue
            if path[2:] == ("train",) and key in _VERSION_KEYS:
                mend = f"it belongs above [{join_key(path)}]"
            elif len(path) == 2 and key in SETTINGS:
                mend = f"settings stand under [{join_key(path)}.train]"
            elif near := closest_name(key, known_keys):
                mend = f"did you mean {near}?"
            else:
                mend = (
                    f"take one of {', '.join(known_keys)}"
                    if len(known_keys) < 10
                    else "docs/settings.md lists them all"
                )
            self._add_problem((*path, key), f"unknown {kind}; {mend}")

    def _version_problems(self, name: str, inheritance: Inheritance) -> tuple[tuple[Problem, ...], bool]:
        """Returns a version's own and inherited problems by line, and whether it can run in spite of them."""
        if not self._problems:
            return (), True
        ancestry, problems, runnable = set(inheritance.ancestry(name)), [], True
        for path, problem in self._problems:
            own = path[:2] == ("versions", name)
            harmless = path[2:3] != () and path[2] in _NON_BLOCKING_KEYS
            inherited = path[:1] == ("defaults",) or (path[:1] == ("versions",) and path[1:2] and path[1] in ancestry)
            if own or (inherited and not harmless):
                problems.append(problem)
                runnable = runnable and harmless
        return tuple(sorted(problems, key=lambda p: p.line)), runnable

    # Tables

    def _get_table(self, table: Mapping[str, Any], path: KeyPath) -> dict[str, Any]:
        """Returns the table under the last key of `path`; {} if it is missing or not a table, which is reported."""
        subtable = table.get(path[-1], {})
        if isinstance(subtable, dict):
            return subtable
        self._add_problem(path, f"must be a table; write [{join_key(path)}]")
        return {}

    def _lab_table(self) -> dict[str, Any]:
        table = self._get_table(self._data, ("lab",))
        self._report_unknown_keys(table, ("lab",), _LAB_KEYS, "key")
        lab: dict[str, Any] = {}
        for key, value in table.items():
            if key == "title" and not isinstance(value, str):
                self._add_problem(("lab", key), "must be a text in quotes")
            elif key in ("heartbeat", "grace") and not (_is_number(value) and value >= 0):
                self._add_problem(("lab", key), "must be a number of seconds, such as 60")
            elif key == "metrics":
                lab[key] = self._metric_overrides(table)
            elif key in ("slots", "findings_off", *OPTION_TABLES, *ALERT_KEYS, *RESOURCE_KEYS) and (
                wrong := _lab_setting_error(key, value, self._finding_names)
            ):
                self._add_problem(("lab", key), wrong)
            elif key in _LAB_KEYS and key != "judge":  # that one is checked once the goals in `metrics` are known
                lab[key] = value
        if "judge" in table:
            if wrong := judge_error(table["judge"], lab.get("metrics", {})):
                self._add_problem(("lab", "judge"), wrong)
            else:
                lab["judge"] = table["judge"]
        return lab

    def _metric_overrides(self, lab: Mapping[str, Any]) -> dict[str, dict[str, str]]:
        """`[lab.metrics]` without what is wrong in it."""
        path = ("lab", "metrics")
        tables = self._get_table(lab, path)
        for within, wrong in override_problems(tables):
            self._add_problem((*path, *within), wrong)
        return clean_overrides(tables)

    def _version_table(self, name: str) -> dict[str, Any]:
        path = ("versions", name)
        if not VERSION_NAME.fullmatch(name):
            self._add_problem(path, f"this is no name for a version, which {VERSION_NAME_RULE}")
        table = self._get_table(self._data["versions"], path)
        self._report_unknown_keys(table, path, _VERSION_KEYS, "key")
        for key in ("base", *_TEXT_KEYS):
            if not isinstance(table.get(key, ""), str):
                self._add_problem((*path, key), "must be a text in quotes")
        if "tags" in table and (wrong := tags_error(table["tags"])):
            self._add_problem((*path, "tags"), wrong)
        if not isinstance(table.get("archived", False), bool):
            self._add_problem((*path, "archived"), "must be true or false")
        if "judge" in table and (wrong := judge_error(table["judge"], self._overrides)):
            self._add_problem((*path, "judge"), wrong)
        for key in RESOURCE_KEYS:
            if key in table and (wrong := resource_error(key, table[key])):
                self._add_problem((*path, key), wrong)
        return table

    def _check_bases(self, inheritance: Inheritance) -> None:
        for name, table in inheritance.tables.items():
            base, path = table.get("base"), ("versions", name, "base")
            if isinstance(base, str) and base not in inheritance.tables:
                near = closest_name(base, (v for v in inheritance.tables if v != name))
                mend = f"did you mean {near}?" if near else "take one that is in this file"
                self._add_problem(path, f"there is no version {base!r}; {mend}")
            elif (cycle := inheritance.cycle(name)) and name == next(v for v in inheritance.tables if v in cycle):
                self._add_problem(path, f"{' → '.join(cycle)} goes in a circle; give one of them another base")

    def _resolve_commands(
        self, defaults: Mapping[str, Any], inheritance: Inheritance
    ) -> dict[str, tuple[str, ...] | None]:
        """Maps each version to its command: its own, or that of its nearest base, or that of the defaults."""
        shared = self._parse_command(defaults, ("defaults",))
        argv = {name: self._parse_command(table, ("versions", name)) for name, table in inheritance.tables.items()}
        return inheritance.fold(shared, lambda inherited, name: argv[name] or inherited)

    def _parse_command(self, table: Mapping[str, Any], path: KeyPath) -> tuple[str, ...] | None:
        argv = table.get("command")
        if argv is None:
            return None
        if isinstance(argv, list) and argv and all(isinstance(word, str) for word in argv) and argv[0]:
            return tuple(argv)
        self._add_problem(
            (*path, "command"), 'must be an array of texts, such as ["python", "train.py", "--bs", "{bs}"]'
        )
        return None

    def _own_settings(self, name: str, table: Mapping[str, Any], *, any_key: bool) -> dict[str, SettingValue]:
        path = ("versions", name, "train")
        return self._parse_settings(self._get_table(table, path), path, any_key=any_key)

    def _parse_settings(self, table: Mapping[str, Any], path: KeyPath, *, any_key: bool) -> dict[str, SettingValue]:
        """Returns the valid settings and report the others. A `command` takes any key."""
        if not any_key:
            self._report_unknown_keys(table, path, SETTINGS, "setting")
        valid: dict[str, SettingValue] = {}
        for key, value in table.items():
            if any_key:
                error = _json_value_error(value)
            elif key in SETTINGS:
                error = SETTINGS[key].validation_error(value)
            else:
                continue
            if error:
                self._add_problem((*path, key), error)
            else:
                valid[key] = float(value) if not any_key and SETTINGS[key].value_type is float else value
        return valid

    def _check_placeholders(self, name: str, argv: tuple[str, ...] | None, train: Mapping[str, SettingValue]) -> None:
        known = {*train, commands.RUN_DIR_PLACEHOLDER}
        for missing in dict.fromkeys(n for n in commands.placeholders(argv or ()) if n not in known):
            near = closest_name(missing, known)
            mend = f"did you mean {{{near}}}?" if near else f"set it under [versions.{name}.train]"
            self._add_problem(("versions", name, "command"), f"{{{missing}}} is not set; {mend}")

    def _build_version(
        self,
        name: str,
        inheritance: Inheritance,
        own_train: dict[str, SettingValue],
        train: dict[str, SettingValue],
        argv: tuple[str, ...] | None,
        judge: str,
        lab: Mapping[str, Any],
    ) -> Version:
        table = inheritance.tables[name]
        texts = {key: value for key in ("base", *_TEXT_KEYS) if isinstance(value := table.get(key), str)}
        problems, runnable = self._version_problems(name, inheritance)
        tags = table.get("tags", [])
        return Version(
            name,
            own_train=own_train,
            train=train,
            command=argv,
            resources=resolve_resources(*inheritance.resource_tables(name), lab),
            line=self._scan.line_of(("versions", name)),
            problems=problems,
            runnable=runnable,
            tags=() if tags_error(tags) else tuple(dict.fromkeys(tags)),
            archived=table.get("archived") is True,
            judge=judge,
            **texts,
        )


def _lab_setting_error(key: str, value: object, finding_names: Collection[str]) -> str | None:
    if key == "slots":
        return count_error(value, 1, _MAX_SLOTS)
    if key == "findings_off":
        return _finding_names_error(value, finding_names)
    if key in ALERT_KEYS:
        return alerts.alert_setting_error(key, value)
    return options_error(key, value) if key in OPTION_TABLES else resource_error(key, value)


def _finding_names_error(value: object, known: Collection[str]) -> str | None:
    """What is wrong with a list of names of findings, and how to fix it; None if nothing is."""
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        return 'must be an array of names, such as ["starved", "memory"]'
    for name in value if known else ():
        if name not in known:
            near = closest_name(name, known)
            return f"{name!r} is no finding; " + (f"did you mean {near}?" if near else "docs/findings.md lists them")
    return None


def _json_value_error(value: object) -> str | None:
    if isinstance(value, bool | str) or _is_number(value):
        return None
    return "takes a finite number, true, false or a text in quotes"


def _is_number(value: object) -> bool:
    """Whether it is a finite number that JSON can carry."""
    if isinstance(value, int):
        return not isinstance(value, bool) and abs(value) < 2**63
    return isinstance(value, float) and math.isfinite(value)
