"""Makes the pictures of the app that the docs show: python docs/screens.py

Starts v0 of the shipped notebook in a lab of its own, opens the app in tmux at 80×24 and 200×50 as a user would, goes
through its screens, and writes what stands there as text and, for some, as SVG.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
SIZES = ((80, 24), (200, 50))
PAGES = (
    ("editor", ("e",), "Takeaways"),
    ("compare", ("d",), "Compare"),
    ("side-by-side", ("d", "Enter"), "Side by side"),
    ("pictures", ("p",), "most wrong first"),
    ("charts", ("c",), "epoch"),
    ("monitor", ("m",), "CPU"),
    ("findings", ("G", "F"), "Findings"),
)
"""Name, keys that lead there from the main screen, and what stands there then."""
EPOCHS = 3
"""Epochs of v0 that are waited for, so that there is a curve to see."""


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--lab", type=Path, help="a lab that has runs already; its v0 is started once more")
    arguments = options.parse_args()
    (DOCS / "screens").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_STATE_HOME"] = folder
        lab = arguments.lab or Path(folder) / "patchwork"
        if not lab.exists():
            lab.mkdir()
            shutil.copy(ROOT / "experiments.toml", lab)
        _cli(lab, "run", "v0")
        try:
            _wait(lambda: (_runs(lab)[0]["epoch"] or 0) > EPOCHS, "v0 learns")
            for size in SIZES:
                _terminal(lab, *size)
            asyncio.run(_pictures(lab, SIZES[1]))
        finally:
            with contextlib.suppress(subprocess.CalledProcessError):  # it may have ended by itself
                _cli(lab, "stop", "v0")


def _cli(lab: Path, *words: str) -> str:
    command = [sys.executable, "-m", "imgexp_tui", "-C", str(lab), *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _runs(lab: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(_cli(lab, "runs", "v0", "--json"))
    return found


def _terminal(lab: Path, columns: int, lines: int) -> None:
    """The app's first screen in tmux, once the live curves stand on it, and those that its keys lead to."""
    tmux = ["tmux", "-L", f"screens-{os.getpid()}-{columns}"]
    app = f"{sys.executable} -m imgexp_tui {lab}"
    subprocess.run([*tmux, "new-session", "-d", "-x", str(columns), "-y", str(lines), app], check=True)

    def screen() -> str:
        return subprocess.run([*tmux, "capture-pane", "-p"], check=True, capture_output=True, text=True).stdout

    def whole() -> bool:
        # "GB" is said by the gauges alone, which come last; the notes speak of CPU memory too.
        return all(words in screen() for words in ("● running", "valid loss  ", " GB"))

    def press(*keys: str) -> None:
        for key in keys:
            subprocess.run([*tmux, "send-keys", key], check=True)
            time.sleep(1.5)

    try:
        _wait(whole, "the live curves and the gauges")
        (DOCS / f"screen-{columns}x{lines}.txt").write_text(screen())
        for name, keys, words in PAGES:
            press(*keys)
            _wait(lambda words=words: words in screen(), words)
            time.sleep(3)  # some of it is read when the screen stands
            (DOCS / "screens" / f"{name}-{columns}x{lines}.txt").write_text(screen())
            press(*("Escape" for _ in keys))
    finally:
        subprocess.run([*tmux, "kill-server"], check=False)


async def _pictures(lab: Path, size: tuple[int, int]) -> None:
    from imgexp_tui.tui.app import LabApp

    app = LabApp(lab)
    async with app.run_test(size=size) as pilot:
        app.theme = "lab-dark"
        await pilot.pause(4)
        app.save_screenshot("screen.svg", path=str(DOCS))
        for name, keys, _ in PAGES:
            for key in keys:
                await pilot.press(key if len(key) == 1 else key.lower())
                await pilot.pause(2)
            await pilot.pause(2)
            app.save_screenshot(f"{name}.svg", path=str(DOCS / "screens"))
            for _key in keys:
                await pilot.press("escape")
                await pilot.pause(1)


def _wait(true: Callable[[], bool], what: str, seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise SystemExit(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.5)


if __name__ == "__main__":
    main()
