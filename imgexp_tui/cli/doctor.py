"""Command `doctor`: checks what this machine has and what would prevent the app or the trainer from working."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from argparse import Namespace
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from imgexp_tui import paths
from imgexp_tui.app_log import log_path
from imgexp_tui.text import clean_line

_OK, _NOTE, _BAD = "ok", "note", "BAD"
_TORCH_SCRIPT = "import torch; print(torch.__version__, torch.cuda.device_count() if torch.cuda.is_available() else 0)"


def doctor(arguments: Namespace) -> int:
    """Prints one line for each check; returns 1 where the app or the trainer cannot work, else 0."""
    bad = False
    for grade, subject, finding in _run_checks(arguments.lab.expanduser()):
        bad = bad or grade == _BAD
        print(f"{grade:4}  {subject:10}  {clean_line(finding)}", flush=True)
    return 1 if bad else 0


def _run_checks(start: Path) -> Iterator[tuple[str, str, str]]:
    yield _OK, "python", f"{sys.version.split()[0]} at {sys.executable}"
    yield from _check_packages()
    yield _check_torch()
    yield from _check_gpus()
    yield from _check_launchers()
    yield _check_terminal()
    yield from _check_tools()
    yield from _check_folders(start)
    yield _check_log()
    yield _check_logout()
    yield from _check_notifications(start)


def _check_packages() -> Iterator[tuple[str, str, str]]:
    try:
        version("pynvml")
    except PackageNotFoundError:
        pass
    else:
        yield _NOTE, "pynvml", "the deprecated package pynvml is installed too; mend: pip uninstall pynvml"
    names = ("imgexp-tui", "textual", "psutil", "nvidia-ml-py", "tomlkit", "orjson", "numpy", "matplotlib")
    missing = []
    for name in names:
        try:
            version(name)
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        yield _BAD, "packages", f"missing: {', '.join(missing)}; mend: pip install {' '.join(missing)}"
    else:
        yield _OK, "packages", ", ".join(f"{n} {version(n)}" for n in names)


def _check_torch() -> tuple[str, str, str]:
    from imgexp_tui.runner.extras import missing_trainer_error

    if missing := missing_trainer_error():
        return _NOTE, "torch", f"{missing}; versions with a command of their own run without it"
    try:
        process = subprocess.run(
            [sys.executable, "-c", _TORCH_SCRIPT], capture_output=True, text=True, timeout=120, check=False
        )
    except subprocess.TimeoutExpired:
        return _BAD, "torch", "importing it takes more than two minutes; is the disk or the network file system slow?"
    if process.returncode:
        last = (process.stderr.strip().splitlines() or ["no message"])[-1]
        return _BAD, "torch", f"cannot be imported: {last}; mend: pip install torch torchvision"
    name, devices = process.stdout.split()
    device = f"{devices} CUDA device{'s' if devices != '1' else ''}" if devices != "0" else "trains on the CPU"
    return _OK, "torch", f"{name}, {device}"


def _check_gpus() -> Iterator[tuple[str, str, str]]:
    from imgexp_tui.monitor.gpu import GpuSampler
    from imgexp_tui.text import format_memory

    cards = GpuSampler().sample()
    if not cards:
        yield _NOTE, "gpu", "no NVIDIA driver answers; the gauges show the CPU only"
    for card in cards:
        size = format_memory(card.memory, card.memory_total) if card.memory is not None else "memory n/a"
        yield _OK, "gpu", f"{card.index}: {card.name}, {size}"


def _check_launchers() -> Iterator[tuple[str, str, str]]:
    from imgexp_tui.runner.launchers import all_launchers

    for launcher in all_launchers():
        if found := launcher.diagnose():
            yield _OK if found.usable else _NOTE, launcher.schema.name, found.sentence


def _check_terminal() -> tuple[str, str, str]:
    term, size = os.environ.get("TERM", ""), shutil.get_terminal_size()
    colours = "24-bit" if os.environ.get("COLORTERM") in ("truecolor", "24bit") else "256" if "256" in term else "16"
    if term in ("", "dumb"):
        return _NOTE, "terminal", "TERM is not set or dumb; the app needs a real terminal"
    grade = _OK if size.columns >= 80 and size.lines >= 24 else _NOTE
    small = "" if grade == _OK else "; the app is made for 80×24 and more"
    return grade, "terminal", f"{term}, {size.columns}×{size.lines}, {colours} colours{small}"


def _check_tools() -> Iterator[tuple[str, str, str]]:
    for tool, use in (("git", "a run then records no commit"), ("tmux", "the app alone is not kept when SSH drops")):
        path = shutil.which(tool)
        yield (_OK, tool, path) if path else (_NOTE, tool, f"not found; {use}")


def _check_folders(start: Path) -> Iterator[tuple[str, str, str]]:
    lab = paths.find_lab(start)
    has = (lab / paths.NOTEBOOK).is_file()
    if not has:
        yield _NOTE, "lab", f"no {paths.NOTEBOOK} here; start one: imgexp-tui init"
    for subject, folder in (("lab", lab), ("state", paths.state_home()), ("cache", paths.cache_home())):
        existing = next(p for p in (folder, *folder.absolute().parents) if p.exists())
        if not os.access(existing, os.W_OK | os.X_OK):
            yield _BAD, subject, f"{existing} cannot be written to; mend its permissions or pick another folder"
            continue
        free = shutil.disk_usage(existing).free / 1e9
        yield (_OK if free > 2 else _NOTE), subject, f"{folder}: {free:,.1f} GB free"


def _check_log() -> tuple[str, str, str]:
    return _OK, "log", f"{log_path()}: the errors that the app survived"


def _check_logout() -> tuple[str, str, str]:
    from imgexp_tui.runner import user_scope

    if not user_scope.logout_ends_processes():
        return _OK, "logout", "runs go on after logout"
    if user_scope.scope_command():
        return _OK, "logout", "systemd ends your processes at logout here; runs get a scope of their own and go on"
    return _NOTE, "logout", f"systemd ends your processes at logout here, runs among them; {user_scope.FIX_HINT}"


def _check_notifications(start: Path) -> Iterator[tuple[str, str, str]]:
    """Yields whether the notifications that `[lab]` sets can work; nothing where it sets none."""
    from imgexp_tui.notebook.load import load_notebook
    from imgexp_tui.notebook.model import NotebookError
    from imgexp_tui.runner.supervisor.trainer_process import search_path

    lab = paths.find_lab(start)
    try:
        settings = load_notebook(lab).lab_settings
    except NotebookError:
        return
    if words := settings.get("on_event"):
        # A name with a slash is a file, relative to the lab, in which the command starts.
        program = shutil.which(lab / words[0] if "/" in words[0] else words[0], path=search_path(os.environ))
        yield (
            (_OK, "on_event", program) if program else (_NOTE, "on_event", f"{words[0]} is not there or may not be run")
        )
    if "notify" in settings and os.environ.get("TMUX") and not _tmux_allows_passthrough():
        why = "tmux lets no notification through; mend: set -g allow-passthrough on"
        yield _NOTE, "notify", why


def _tmux_allows_passthrough() -> bool:
    """Whether this tmux passes unknown escape sequences through; versions before 3.3 always do."""
    words = ["tmux", "show-options", "-gqv", "allow-passthrough"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=3, check=False)
    except (OSError, subprocess.SubprocessError):
        return True
    return done.stdout.strip() != "off"
