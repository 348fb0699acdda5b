"""A small lab for trials of the saver: random notebooks and texts, edits in a process of their own, and the verdict."""

from __future__ import annotations

import contextlib
import os
import random
import re
import select
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from imgexp_tui.notebook.history import drafts as draft_files
from imgexp_tui.notebook.history import log
from imgexp_tui.notebook.model import NOTE_FIELDS, NotebookError
from imgexp_tui.notebook.saving import save
from imgexp_tui.notebook.toml.tolerant import parse_tolerant

NOTEBOOK = """\
# A lab. -*- toml -*-
[lab]
title   = 'foreign 0'   # kept

  [versions.v0]     # indented
  summary = "one line"   # why
  takeaways = '''
-bs of 64 could be much bigger.
'''
  observed = 'GPU Memory Usage: 1,985/8,126 MB'
  [versions.v0.train]
  batch_size = 0x40

# about v1
[versions.v1]
base = "v0"
summary = \"\"\"Same as v0 \\
   but …\"\"\"
takeaways = \"\"\"
-first
\"\"\"
observed = ''
[versions.v1.train]
batch_size = 512
# the end"""
_PIECES = (
    "-",
    " ",
    "\n",
    "\t",
    "'''",
    '"""',
    "\\",
    "'",
    '"',
    "é",
    "漢字",
    "🧪",
    "\x85",
    "\u2028",
    "\x1b[31m",
    "# ",
    "\r\n",
)
_WORDS = ("batch", "size", "learns", "[versions.v0]", "summary = ", "0.6931", "- [ ] try")


@dataclass
class Verdict:
    """What one trial found.

    Attributes:
        acknowledged: edits that counted as safe.
        lost, torn, others: the failures: edits lost, files torn, edits of other writers lost; a sentence each.
        overwritten: edits that another program replaced with what it had read before; the history has them.
        states: that a power cut could have left, each of which was looked at.
    """

    acknowledged: int = 0
    lost: list[str] = field(default_factory=list)
    torn: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    overwritten: int = 0
    states: int = 0


class TrialLab:
    """A lab and a state folder below `base`, which nobody else uses."""

    def __init__(self, base: Path, rng: random.Random) -> None:
        self.base, self.rng = base, rng
        self.lab, self.state = base / "lab", base / "state"
        self.lab.mkdir(parents=True)
        os.environ["XDG_STATE_HOME"] = os.fspath(self.state)
        text = NOTEBOOK.replace("\n", rng.choice(("\n", "\r\n")))
        self.path = self.lab / "experiments.toml"
        self.path.write_bytes((rng.choice(("", "\ufeff")) + text).encode())
        self.skeleton = _skeleton(self.source())

    def source(self) -> str:
        return self.path.read_bytes().decode()

    def note(self, version: str, name: str) -> str:
        text = parse_tolerant(self.source())[0].get("versions", {}).get(version, {}).get(name, "")
        return text if isinstance(text, str) else ""

    def any_note(self) -> tuple[str, str]:
        return self.rng.choice(("v0", "v1")), self.rng.choice(NOTE_FIELDS)

    def text(self, token: str) -> str:
        """Some text with `token` in it."""
        most = self.rng.choice((3, 30, 300))
        parts = self.rng.choices(_PIECES + _WORDS, k=self.rng.randrange(most))
        parts.insert(self.rng.randrange(len(parts) + 1), f"<{token}>")
        return "".join(parts)

    def kept(self, version: str, name: str) -> list[str]:
        """Every text of a note that the user is offered: the file's, and the draft's."""
        drafts = [d.text for d in draft_files.read_drafts(self.lab) if (d.version, d.field) == (version, name)]
        return [self.note(version, name), *drafts]

    def told(self, version: str, name: str) -> list[str]:
        """Every text of a note that the history tells."""
        return [state.text for state in log.note_states(self.lab, version, name)]

    def look(self, verdict: Verdict, when: str) -> None:
        """Find what is torn."""
        try:
            source = self.source()
        except (OSError, UnicodeDecodeError) as error:
            verdict.torn.append(f"{when}: the notebook: {error}")
            return
        if parse_tolerant(source)[1] or _skeleton(source) != self.skeleton:
            verdict.torn.append(f"{when}: the notebook is not what it was around its notes")
        drafts = list((self.state).rglob("drafts/*.json"))
        if len(drafts) != len(draft_files.read_drafts(self.lab)):
            verdict.torn.append(f"{when}: a draft cannot be read")

    def go_on(self, verdict: Verdict, when: str) -> None:
        """After whatever happened, the next save works and nothing is left lying about."""
        version, name = self.any_note()
        try:
            save.save_note(self.lab, version, name, "went on", original=self.note(version, name))
        except (OSError, NotebookError) as error:
            verdict.torn.append(f"{when}: the next save: {error}")
            return
        left = [p.name for p in self.lab.iterdir() if p.suffix in (".tmp", ".swap")]
        if self.note(version, name) != "went on" or left:
            verdict.torn.append(f"{when}: after the next save: {left}")
        self.look(verdict, f"{when}, after the next save")


def _skeleton(source: str) -> str:
    """The notebook without its notes and its title, which are what is edited here."""
    edited = {("versions", version, name) for version in ("v0", "v1") for name in NOTE_FIELDS} | {("lab", "title")}
    for entry in reversed(parse_tolerant(source)[2].entries):
        if entry.path in edited and entry.value_span:
            source = source[: entry.value_span[0]] + "…" + source[entry.value_span[1] :]
    return source


class Child:
    """A process of its own that does `work`, which gets a function to acknowledge with."""

    def __init__(self, work: Callable[[Callable[[str], None]], object]) -> None:
        self._read, write = os.pipe()
        self.pid = os.fork()
        if self.pid:
            os.close(write)
            return
        code = 1
        try:
            os.close(self._read)
            work(lambda what: void(os.write(write, f"{time.monotonic()} {what}\n".encode())))
            code = 0
        except BaseException as error:  # noqa: BLE001 - told by the parent
            with contextlib.suppress(OSError):
                os.write(write, f"{time.monotonic()} error {error!r}\n".encode())
        finally:
            os._exit(code)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def told(self, patience: float = 60) -> list[tuple[float, str]]:
        """What it acknowledged until it ended: (time, what)."""
        data, limit = b"", time.monotonic() + patience
        while True:
            if not select.select([self._read], [], [], max(0, limit - time.monotonic()))[0]:
                self.kill()
                limit += patience
                continue
            piece = os.read(self._read, 65536)
            if not piece:
                break
            data += piece
        os.close(self._read)
        os.waitpid(self.pid, 0)
        pairs = (line.split(" ", 1) for line in data.decode().splitlines())
        return [(float(moment), what) for moment, what in pairs]


def void(_: object) -> None:
    """Nothing of it."""


def edit(
    lab: Path, note: tuple[str, str], text: str, seen: str, told: Callable[[str], None] = void, number: int = 0
) -> None:
    """What the app does for one edit: a draft, the save, and the draft is dropped."""
    with contextlib.suppress(OSError):
        draft_files.write_draft(lab, draft_files.Draft(*note, text, seen, time.time()))
        told(f"draft {number}")
    saved = save.save_note(lab, *note, text, original=seen)
    told(f"saved {number} {saved.outcome}")
    with contextlib.suppress(OSError):
        draft_files.delete_draft(lab, *note)


def numbers(told: list[tuple[float, str]], what: str) -> list[int]:
    """The numbers of the edits that were acknowledged so."""
    return [int(m[1]) for _, line in told if (m := re.match(rf"{what} (\d+)", line))]


def errors(told: list[tuple[float, str]]) -> Iterator[str]:
    """What a child failed with."""
    return (line for _, line in told if line.startswith("error "))
