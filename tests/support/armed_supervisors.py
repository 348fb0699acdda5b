"""Supervisors in which the k-th call on some files fails, or ends them (`native/faults.c`)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.native import library


class Supervisors:
    """Arms the supervisors that are started from now on, through their environment."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self._patch, self.log = monkeypatch, folder / "calls"
        monkeypatch.setenv("LD_PRELOAD", str(library("faults")))
        monkeypatch.setenv("FAULT_PROGRAM", "imgexp_tui.runner.supervise")
        monkeypatch.setenv("FAULT_LOG", str(self.log))

    def arm(self, under: Path, only: str, at: int, deed: str) -> None:
        for name, value in {"UNDER": under, "ONLY": only, "AT": at, "DO": deed}.items():
            self._patch.setenv(f"FAULT_{name}", str(value))
        self.log.unlink(missing_ok=True)

    def calls(self) -> list[str]:
        """Such as "rename process.json", in order; "(folder)" for the run's own."""
        if not self.log.exists():
            return []
        return [" ".join(_short(line)) for line in self.log.read_text().splitlines()]

    def disarm(self) -> None:
        for name in ("LD_PRELOAD", "FAULT_UNDER"):
            self._patch.delenv(name, raising=False)


def _short(line: str) -> tuple[str, str]:
    call, _, path = line.partition(" ")
    name = path.rpartition("/")[2]
    return call, f"{name[1:].rsplit('.', 2)[0]} (temporary)" if name.endswith(".tmp") else name
