"""The saver beside other programs that write the same file, and the app itself in a terminal, killed."""

from __future__ import annotations

import fcntl
import os
import pty
import random
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

import preload
import pyte
from note_lab import Child, TrialLab, Verdict, errors, numbers

from imgexp_tui.notebook.saving import save
from imgexp_tui.notebook.toml import edit
from imgexp_tui.notebook.toml.tolerant import parse_tolerant

_OURS, _THEIRS = 12, 15
_SHARED = ("v1", "takeaways")
_OWN = ("v0", "summary")


def written_in_place(base: Path, rng: random.Random, turn: int) -> Verdict:
    """The other program opens the file, which empties it, and writes."""

    def write(path: Path, data: bytes) -> None:
        with path.open("wb", buffering=rng.choice((0, 64, 8192))) as file:
            half = rng.randrange(len(data))
            file.write(data[:half])
            time.sleep(rng.choice((0, 0, 0.002)))
            file.write(data[half:])

    return _race(base, rng, turn, write)


def renamed_into_place(base: Path, rng: random.Random, turn: int) -> Verdict:
    """The other program writes a file beside it and renames that; or moves the old one away first, as vim does."""

    def write(path: Path, data: bytes) -> None:
        beside = path.with_name("theirs")
        beside.write_bytes(data)
        if turn % 2:
            path.rename(path.with_name("theirs~"))
        beside.rename(path)

    return _race(base, rng, turn, write)


def _race(base: Path, rng: random.Random, turn: int, write: Callable[[Path, bytes], None]) -> Verdict:
    trial = TrialLab(base, rng)

    def ours(told: Callable[[str], None]) -> None:
        if turn % 3 == 1:  # in the middle of putting back what it displaced, if it comes to that
            preload.fail(trial.lab, rng.randrange(3, 60), "KILL", only="=experiments.toml")
        for i in range(1, _OURS):
            told(f"begins {i}")
            note = _OWN if i % 3 == 0 else _SHARED
            seen = _patient(lambda note=note: trial.note(*note))
            text = f"<o{i}>" if note == _OWN else f"{seen}-<o{i}>\n"
            save.save_note(trial.lab, *note, text, original=seen)
            told(f"saved {i}")

    def theirs(told: Callable[[str], None]) -> None:
        for i in range(1, _THEIRS):
            source = _patient(trial.source)
            new = re.sub(r"'foreign \d+'", f"'foreign {i}'", source)
            if i % 2:
                note = parse_tolerant(new)[0]["versions"]["v1"]["takeaways"]
                new = edit.set_note(new, *_SHARED, f"{note}-<f{i}>\n")
            time.sleep(rng.uniform(0, 0.004))
            write(trial.path, new.encode())
            told(f"wrote {i} {' '.join(re.findall(r'<o[0-9]+>', new))}")

    saver, other = Child(ours), Child(theirs)
    if turn % 3 == 2:
        time.sleep(rng.uniform(0, 0.1))
        saver.kill()
    said, wrote = saver.told(), other.told()
    return _after_race(trial, said, wrote)


def _patient(read: Callable[[], str]) -> str:
    """What a program sees that looks again where the file is just being written or renamed."""
    for _ in range(500):
        try:
            if text := read():
                return text
        except (OSError, UnicodeDecodeError):
            pass
        time.sleep(0.002)
    return read()


def _after_race(trial: TrialLab, said: list[tuple[float, str]], wrote: list[tuple[float, str]]) -> Verdict:
    """Edits of ours that are gone were overwritten with what had been read before them, and are in the history."""
    save.recover_interrupted_saves(trial.lab)
    saved = numbers(said, "saved")
    verdict = Verdict(acknowledged=len(saved), torn=[*errors(said), *errors(wrote)])
    trial.look(verdict, "race")
    title = parse_tolerant(trial.source())[0].get("lab", {}).get("title")
    aside = "".join(p.read_bytes().decode() for p in trial.lab.glob("*.other"))
    notes = trial.note(*_SHARED) + trial.note(*_OWN)
    newest = max(numbers(wrote, "wrote"), default=0)
    if title != f"foreign {newest}" and f"'foreign {newest}'" not in aside:
        verdict.others.append(f"the title is {title!r}, not of write {newest}")
    verdict.others += [
        f"line {i} of the other" for i in numbers(wrote, "wrote") if i % 2 and f"<f{i}>" not in notes + aside
    ]
    begun = {int(what.split()[1]): moment for moment, what in said if what.startswith("begins")}
    history = "".join(trial.told(*_SHARED) + trial.told(*_OWN))
    for i in saved:
        token = f"<o{i}>"
        replaced = i % 3 == 0 and any(later > i and later % 3 == 0 for later in begun)
        overwritten = any(moment > begun[i] and token not in what for moment, what in wrote)
        if token in notes or replaced:
            continue
        if overwritten and token in history:
            verdict.overwritten += 1
        else:
            verdict.lost.append(f"edit {i}, {'not in the history' if overwritten else 'overwritten by nobody'}")
    trial.go_on(verdict, "race")
    return verdict


class _Terminal:
    """The app in a pseudo-terminal."""

    def __init__(self, lab: Path) -> None:
        self._screen = pyte.Screen(80, 24)
        self._stream = pyte.ByteStream(self._screen)
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        argv = [sys.executable, "-m", "imgexp_tui", os.fspath(lab)]
        env = {**os.environ, "TERM": "xterm-256color"}
        self._app = subprocess.Popen(argv, stdin=slave, stdout=slave, stderr=slave, env=env, start_new_session=True)
        os.close(slave)

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def read(self, seconds: float) -> None:
        limit = time.monotonic() + seconds
        while select.select([self.master], [], [], max(0.0, limit - time.monotonic()))[0]:
            try:
                self._stream.feed(os.read(self.master, 65536))
            except OSError:
                return

    def shows(self, text: str, patience: float = 60) -> float:
        """Wait for `text` on the screen; when it was there."""
        limit = time.monotonic() + patience
        while not any(text in line for line in self._screen.display):
            if time.monotonic() > limit:
                raise TimeoutError("\n".join([f"{text!r} is not on the screen:", *self._screen.display]))
            self.read(0.02)
        return time.monotonic()

    def kill(self) -> None:
        os.killpg(self._app.pid, signal.SIGKILL)
        self._app.wait()
        os.close(self.master)


def killed_app(base: Path, rng: random.Random, turn: int) -> Verdict:
    """Words typed into the editor, saved in half of the trials, and SIGKILL at some moment."""
    trial = TrialLab(base, rng)
    verdict, terminal, shown = Verdict(), _Terminal(trial.lab), {}
    saved = 0
    try:
        terminal.shows("v1")
        terminal.type("e")
        terminal.shows("notes")
        terminal.shows("bs of 64")
        for i in range(rng.randrange(1, 6)):
            terminal.type(f"word{i}word ")
            shown[i] = terminal.shows(f"word{i}word")
            terminal.read(rng.uniform(0, 0.7))
            if turn % 2 and rng.random() < 0.4:
                terminal.type("\x13")
                terminal.shows("saved ")
                saved = i + 1
        terminal.read(rng.uniform(0, 1.6))
    except TimeoutError as error:
        verdict.torn.append(str(error))
    end = time.monotonic()
    terminal.kill()
    trial.look(verdict, "the app")
    kept = trial.kept("v0", "takeaways")
    for i, moment in shown.items():
        if i < saved or end - moment > 1.0:
            verdict.acknowledged += 1
            if not any(f"word{i}word" in text for text in kept):
                verdict.lost.append(f"word {i}, {end - moment:.1f} s after it was shown ({saved} saved): {kept}")
    trial.go_on(verdict, "the app")
    return verdict
