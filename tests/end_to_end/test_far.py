"""Notes typed over SSH in tmux, 300 ms away, while a 1 MB notebook is saved: they arrive whole and in order."""

from __future__ import annotations

import os
import time
from pathlib import Path

import loopback
import pytest
from echo import DELAY, make_lab
from far import Far, app
from relay import delayed

from imgexp_tui.notebook.load import load_notebook

pytestmark = [
    pytest.mark.sshd,
    pytest.mark.tmux,
]

SAVE = "\x13"


def test_what_is_typed_during_saves_arrives_whole_and_in_order(tmp_path: Path) -> None:
    lab = make_lab(tmp_path / "lab", versions=1000)
    assert (lab / "experiments.toml").stat().st_size > 1_000_000
    before = load_notebook(lab)
    text = " ".join(f"word{i} of a line that is typed while it is being saved" for i in range(6))
    with loopback.server(tmp_path / "ssh") as server, delayed(server.port, DELAY) as port:
        far = Far(server.through(port), app(lab, tmp_path / "state"), f"test-far-{os.getpid()}", (100, 30))
        try:
            far.shows("v0")
            far.type("e")
            far.shows("Dated mark")
            sent = far.type("beginning")
            (first,) = far.echoes([(sent, "beginning")])
            assert first > 2 * DELAY, "the relay holds every byte up"
            for at, letter in enumerate(text):
                far.type(letter + (SAVE if at % 20 == 0 else ""))
                time.sleep(0.01)  # a fast hand; a paste would be one edit
            far.type(" end" + SAVE)
            far.shows("end")
            _until_saved(lab, f"beginning{text} end")
        finally:
            far.end()
    after = load_notebook(lab)
    assert after.versions["v0"].takeaways == before.versions["v0"].takeaways + f"- beginning{text} end"
    assert [v.takeaways for v in after.versions.values()][1:] == [v.takeaways for v in before.versions.values()][1:]


def _until_saved(lab: Path, text: str) -> None:
    deadline = time.monotonic() + 60
    while text not in (lab / "experiments.toml").read_text():
        assert time.monotonic() < deadline, load_notebook(lab).versions["v0"].takeaways[-600:]
        time.sleep(0.1)
