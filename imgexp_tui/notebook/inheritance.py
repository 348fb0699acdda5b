"""Resolves which version is based on which, and what a version inherits from its bases."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from imgexp_tui.notebook.schema.resources import RESOURCE_KEYS

_T = TypeVar("_T")


class Inheritance:
    """Which version has which base. Each chain is walked once: a notebook may be one chain of a thousand versions."""

    def __init__(self, tables: dict[str, dict[str, Any]]) -> None:
        self.tables = tables
        self._ancestries: dict[str, tuple[str, ...]] = {}
        self._with_resource_keys = {
            name for name, table in tables.items() if not table.keys().isdisjoint(RESOURCE_KEYS)
        }

    def ancestry(self, name: str) -> tuple[str, ...]:
        """Returns a version and its bases, nearest first; a cycle is walked once."""
        walked: dict[str, None] = {}
        at: str | None = name
        while at is not None and at not in walked and at not in self._ancestries:
            walked[at] = None
            at = self._base(at)
        if at in walked:  # a cycle: each of its versions has its own ancestry
            return tuple(walked)
        line = self._ancestries[at] if at is not None else ()
        for below in reversed(walked):
            line = self._ancestries[below] = (below, *line)
        return line

    def cycle(self, name: str) -> tuple[str, ...]:
        """Returns the cycle that `name` is part of, from `name` back to `name`; () if it is in none."""
        line = self.ancestry(name)
        return (*line, name) if self._base(line[-1]) == name else ()

    def fold(self, start: _T, join: Callable[[_T, str], _T]) -> dict[str, _T]:
        """Maps each version to `start` joined with its bases, the farthest first, and then with itself."""
        done: dict[str, _T] = {}
        for name in self.tables:
            value, ahead = start, []
            for at in self.ancestry(name):
                if at in done and at in self._ancestries:
                    value = done[at]
                    break
                ahead.append(at)
            for at in reversed(ahead):
                value = join(value, at)
                if at in self._ancestries:
                    done[at] = value
            done[name] = value
        return {name: done[name] for name in self.tables}

    def resource_tables(self, name: str) -> Iterator[Mapping[str, Any]]:
        """Returns the tables of a version and its bases that state what a run needs, nearest first."""
        return (
            (self.tables[n] for n in self.ancestry(name) if n in self._with_resource_keys)
            if self._with_resource_keys
            else iter(())
        )

    def _base(self, name: str) -> str | None:
        base = self.tables[name].get("base")
        return base if isinstance(base, str) and base in self.tables else None
