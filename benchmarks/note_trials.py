"""One saver and its misfortunes: killed, its calls failing, its disk full, its machine without power."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import power_loss
import preload
from note_lab import Child, TrialLab, Verdict, edit, errors, numbers

from imgexp_tui.notebook.model import NotebookError
from imgexp_tui.notebook.saving import save

_EDITS = 40


def killed_at_a_call(base: Path, rng: random.Random, turn: int) -> Verdict:
    """SIGKILL at one of the calls on files, of which all come in turn."""
    return _at_a_call(base, rng, turn, "KILL")


def failing_call(base: Path, rng: random.Random, turn: int) -> Verdict:
    """One call fails: the disk is full, or broken, for that moment."""
    return _at_a_call(base, rng, turn, rng.choice(("ENOSPC", "EIO")))


def _at_a_call(base: Path, rng: random.Random, turn: int, deed: str) -> Verdict:
    trial = TrialLab(base, rng)
    note = trial.any_note()
    texts = [trial.note(*note), trial.text("1"), trial.text("2")]
    first = turn % 3 == 0
    if not first:  # else the folders are made during the edit
        edit(trial.lab, note, texts[1], texts[0])
    seen, text = (texts[0], texts[1]) if first else (texts[1], texts[2])
    calls = _calls(trial, note, seen)
    at = 1 + turn // 3 % calls

    def work(told: Callable[[str], None]) -> None:
        preload.fail(base, at, deed)
        with contextlib.suppress(NotebookError):
            edit(trial.lab, note, text, seen, told)

    told = Child(work).told()
    when, verdict = f"call {at} of {calls}", Verdict(acknowledged=bool(numbers(told, "(?:draft|saved)")))
    verdict.torn += [f"{when}: {error}" for error in errors(told)]
    trial.look(verdict, when)
    if verdict.acknowledged and text not in trial.kept(*note):
        verdict.lost.append(f"{when}: {text!r} is nowhere")
    if trial.note(*note) not in (seen, text):
        verdict.torn.append(f"{when}: the note is {trial.note(*note)!r}")
    if seen and seen not in (trial.note(*note), *trial.told(*note)):  # an empty note has no state that could be lost
        verdict.lost.append(f"{when}: what was there before is not in the history")
    trial.go_on(verdict, when)
    return verdict


_counted: dict[bool, int] = {}


def _calls(trial: TrialLab, note: tuple[str, str], seen: str) -> int:
    """How many calls an edit makes, where the folders are there and where they are not."""
    made = trial.state.exists()
    if made not in _counted:
        log = trial.base.parent / "calls"
        image = {p: p.read_bytes() for p in trial.base.rglob("*") if p.is_file()}

        def work(told: Callable[[str], None]) -> None:
            preload.fail(trial.base, 0, "", log=log)
            edit(trial.lab, note, "counted", seen)

        Child(work).told()
        _counted[made] = log.read_text().count("\n")
        power_loss.lay_out(trial.base, {**{_inside(trial, p.parent): None for p in image}, **_bytes(trial, image)})
        log.unlink()
    return _counted[made]


def _inside(trial: TrialLab, path: Path) -> str:
    return os.fspath(path.relative_to(trial.base))


def _bytes(trial: TrialLab, image: dict[Path, bytes]) -> dict[str, bytes | None]:
    return {_inside(trial, path): data for path, data in image.items()}


def killed_any_time(base: Path, rng: random.Random, turn: int) -> Verdict:
    """SIGKILL at a random moment, while one edit follows another."""
    trial = TrialLab(base, rng)
    note = trial.any_note()
    texts = [trial.note(*note), *(trial.text(str(i)) for i in range(1, _EDITS))]

    def work(told: Callable[[str], None]) -> None:
        for i in range(1, _EDITS):
            edit(trial.lab, note, texts[i], texts[i - 1], told, i)

    child = Child(work)
    time.sleep(rng.uniform(0, 0.08))
    child.kill()
    told = child.told()
    return _after_edits(trial, note, texts, told, "killed")


def _after_edits(
    trial: TrialLab, note: tuple[str, str], texts: list[str], told: list[tuple[float, str]], when: str
) -> Verdict:
    """The newest edit that was acknowledged, or a later one, is offered; those before it are in the history."""
    saved, safe = numbers(told, "saved"), numbers(told, "(?:draft|saved)")
    verdict = Verdict(acknowledged=len(set(safe)))
    verdict.torn += [f"{when}: {error}" for error in errors(told)]
    trial.look(verdict, when)
    kept = [texts.index(text) if text in texts else -1 for text in trial.kept(*note)]
    if -1 in kept:
        verdict.torn.append(f"{when}: a note is none of those that were written")
    if max(safe, default=0) > max(kept):
        verdict.lost.append(f"{when}: edit {max(safe)} is nowhere; {max(kept)} is the newest")
    known = {trial.note(*note), *trial.told(*note)}
    verdict.lost += [f"{when}: edit {i} is not in the history" for i in saved if texts[i] not in known]
    trial.go_on(verdict, when)
    return verdict


def full_disk(base: Path, rng: random.Random, turn: int) -> Verdict:
    """A small disk that fills up, with the lab, and in half of the trials the drafts too, on it."""
    disk = base / "disk"
    disk.mkdir(parents=True)
    with _small(disk) as room:
        trial = TrialLab(disk, rng)
        if turn % 2:
            trial.state = base / "state"
            os.environ["XDG_STATE_HOME"] = os.fspath(trial.state)
        note = trial.any_note()
        texts = [trial.note(*note), *(trial.text(str(i)) + "word " * rng.randrange(3000) for i in range(1, 9))]
        if room:
            (disk / "filler").write_bytes(bytes(max(0, room - rng.randrange(60_000))))

        def work(told: Callable[[str], None]) -> None:
            if not room:
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (rng.randrange(1, 12_000), resource.RLIM_INFINITY))
            seen = texts[0]
            for i in range(1, len(texts)):
                try:
                    edit(trial.lab, note, texts[i], seen, told, i)
                    seen = texts[i]
                except NotebookError:
                    told(f"refused {i}")

        told = Child(work).told()
        (disk / "filler").unlink(missing_ok=True)
        return _after_full(trial, note, texts, told)


def _after_full(trial: TrialLab, note: tuple[str, str], texts: list[str], told: list[tuple[float, str]]) -> Verdict:
    """As after any edits, but a draft that found no room leaves the one before it, and the history may miss some."""
    when = f"full disk, {len(numbers(told, 'refused'))} refused"
    verdict = Verdict(acknowledged=len(set(numbers(told, "(?:draft|saved)"))))
    verdict.torn += [f"{when}: {error}" for error in errors(told)]
    trial.look(verdict, when)
    kept = [texts.index(text) if text in texts else -1 for text in trial.kept(*note)]
    if -1 in kept:
        verdict.torn.append(f"{when}: a note is none of those that were written")
    newest = max(numbers(told, "(?:draft|saved)"), default=0)
    if newest not in kept:
        verdict.lost.append(f"{when}: edit {newest} is nowhere")
    trial.go_on(verdict, when)
    return verdict


@contextlib.contextmanager
def _small(disk: Path) -> Iterator[int]:
    """A disk of 256 KB at `disk` and its room; 0 where this user may not mount one."""
    words = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", os.fspath(disk)]
    if subprocess.run(words, check=False, stderr=subprocess.DEVNULL).returncode:
        yield 0
        return
    try:
        yield 230_000
    finally:
        subprocess.run(["umount", "-l", os.fspath(disk)], check=True)


def power_cut(base: Path, rng: random.Random, turn: int) -> Verdict:
    """The calls of some edits, cut at every point, and of every cut each state that the disk could be in."""
    trial = TrialLab(base, rng)
    note = trial.any_note()
    texts = [trial.note(*note), *(trial.text(str(i)) for i in (1, 2))]
    if turn % 2:
        edit(trial.lab, note, texts[1], texts[0])
    before, start = power_loss.scan(base), 2 if turn % 2 else 1
    log = base.with_suffix(".calls")

    def work(told: Callable[[str], None]) -> None:
        preload.record(base, log)
        edit(trial.lab, note, texts[start], texts[start - 1], lambda what: preload.mark(log, what))

    verdict = Verdict(acknowledged=1, torn=list(errors(Child(work).told())))
    made = power_loss.calls(log, base)
    log.unlink()
    seen: set[tuple[bool, int]] = set()
    for cut in range(len(made) + 1):
        marks = [call.path for call in made[:cut] if call.name == "mark"]
        for state in power_loss.states(before, [call for call in made[:cut] if call.name != "mark"]):
            key = (bool(marks), hash(frozenset(state.items())))
            if key not in seen:
                seen.add(key)
                power_loss.lay_out(base, state)
                _after_power_cut(trial, note, texts[: start + 1], bool(marks), verdict, f"cut {cut} of {len(made)}")
    verdict.states = len(seen)
    return verdict


def _after_power_cut(
    trial: TrialLab, note: tuple[str, str], texts: list[str], safe: bool, verdict: Verdict, when: str
) -> None:
    save.recover_interrupted_saves(trial.lab)
    trial.look(verdict, when)
    if trial.note(*note) not in texts[-2:]:
        verdict.torn.append(f"{when}: the note is {trial.note(*note)!r}")
    if safe and texts[-1] not in trial.kept(*note):
        verdict.lost.append(f"{when}: the edit is nowhere")
    known = {trial.note(*note), *trial.told(*note)}
    if missing := [text for text in texts[1:-1] if text not in known]:
        verdict.lost.append(f"{when}: not in the history: {missing}")
