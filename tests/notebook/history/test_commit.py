"""Committing the notebook: it alone, whatever else is staged, and a clear sentence where it cannot be."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from imgexp_tui.notebook.history import commit
from imgexp_tui.notebook.history.git import GitError
from imgexp_tui.paths import NOTEBOOK
from tests.support.git_lab import TEXT, change, committed, git

pytestmark = pytest.mark.git


@pytest.fixture
def lab(git_lab: Path) -> Path:
    return git_lab


def refusal(lab: Path) -> str:
    with pytest.raises(GitError) as error:
        commit.commit(lab, "m")
    return str(error.value)


def test_the_first_commit_holds_the_notebook_alone(lab: Path) -> None:
    (lab / "other").write_text("x")
    git(lab, "add", "other")
    assert commit.plan_commit(lab) == commit.CommitPlan("Add experiments.toml", "main", True)
    assert commit.commit(lab).startswith("Committed ")
    assert git(lab, "show", "--name-only", "--format=%s").split("\n") == ["Add experiments.toml", "", NOTEBOOK, ""]
    assert git(lab, "status", "--porcelain") == "A  other\n"


def test_what_is_staged_besides_stays_staged(lab: Path) -> None:
    committed(lab)
    (lab / "staged").write_text("1")
    git(lab, "add", "staged")
    (lab / "staged").write_text("2")
    (lab / "untracked").write_text("x")
    change(lab)
    assert commit.plan_commit(lab).message == "v0: takeaways"
    commit.commit(lab, " two  lines\nin one ")
    assert git(lab, "log", "-1", "--format=%B", "--name-only").split() == ["two", "lines", "in", "one", NOTEBOOK]
    assert git(lab, "status", "--porcelain") == "AM staged\n?? untracked\n"


def test_the_message_says_what_changed() -> None:
    v6 = "[versions.v6]\nbase = 'v0'\n"
    assert commit.commit_message(TEXT, TEXT.replace("-first", "-x") + v6) == "v0: takeaways; new v6"
    assert commit.commit_message(TEXT + v6, TEXT.replace("64", "65")) == "v0: settings; v6 removed"
    assert commit.commit_message(TEXT, "[lab]\ntitle = 't'\n" + TEXT) == "lab"
    assert commit.commit_message(TEXT, "# a remark\n" + TEXT) == "layout and comments"
    assert commit.commit_message(TEXT, "[versions.v0\n" + TEXT) == "layout and comments"
    many = "".join(f"[versions.version{i}]\nsummary = 's'\n" for i in range(40))
    line = commit.commit_message(many, many.replace("'s'", "'t'"))
    assert line.startswith("version0: summary; version1: summary; ") and line.endswith(" more") and len(line) <= 72


def test_nothing_changed(lab: Path) -> None:
    assert "nothing to commit" in refusal(committed(lab))


def test_no_repository(lab: Path) -> None:
    (lab / ".git").rename(lab / "was-git")
    assert "in no git repository; mend: git init" in refusal(lab)


def test_no_git(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert "git is not installed" in refusal(lab)


def test_no_identity(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    git(lab, "config", "user.useConfigOnly", "true")
    assert "does not know who you are; mend: git config --global user.name" in refusal(lab)


def test_a_hook_that_fails_is_quoted_clean_and_leaves_the_index_as_it_was(lab: Path) -> None:
    hook = lab / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nprintf '\\n\\033[31mno notes\\033[0m on Fridays\\nmore\\n' >&2\nexit 1\n")
    hook.chmod(0o755)
    before = git(lab, "status", "--porcelain")
    message = refusal(lab)
    assert message == "not committed; the hook pre-commit refused it: no notes on Fridays"
    assert git(lab, "status", "--porcelain") == before


def test_a_hook_cannot_ask_on_the_terminal(lab: Path) -> None:
    hook = lab / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nread answer < /dev/tty || { echo nobody to ask >&2; exit 1; }\n")
    hook.chmod(0o755)
    assert "refused it" in refusal(lab)


def test_a_hook_that_hangs_is_ended(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hook = lab / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexec sleep 600\n")
    hook.chmod(0o755)
    committed_before = git(lab, "status", "--porcelain")
    monkeypatch.setattr(commit, "_HOOK_TIMEOUT", 0.5)
    assert "did not end within" in refusal(lab)
    assert not (lab / ".git" / "index.lock").exists()
    assert git(lab, "status", "--porcelain") == committed_before


def test_a_merge_under_way(lab: Path) -> None:
    committed(lab)
    (lab / "f").write_text("base")
    git(lab, "add", "f")
    git(lab, "commit", "-qm", "f")
    git(lab, "checkout", "-qb", "side")
    (lab / "f").write_text("side")
    git(lab, "commit", "-qam", "side")
    git(lab, "checkout", "-q", "main")
    (lab / "f").write_text("main")
    git(lab, "commit", "-qam", "main")
    change(lab)
    subprocess.run(["git", "merge", "side"], cwd=lab, capture_output=True)
    assert "a merge is under way" in refusal(lab)


def test_a_rebase_under_way(lab: Path) -> None:
    committed(lab)
    (lab / ".git" / "rebase-merge").mkdir()
    change(lab)
    assert "a rebase is under way" in refusal(lab)


def test_a_notebook_that_git_ignores(lab: Path) -> None:
    (lab / ".gitignore").write_text("*.toml\n")
    assert "git ignores experiments.toml" in refusal(lab)


def test_a_detached_head_is_said(lab: Path) -> None:
    committed(lab)
    git(lab, "checkout", "-q", "--detach")
    change(lab)
    assert commit.plan_commit(lab).branch == ""
    assert "HEAD is on no branch" in commit.commit(lab)


def test_the_repository_of_a_hook_that_started_the_app_is_not_taken(
    lab: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    committed(lab)
    change(lab)
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "index"))
    commit.commit(lab, "mine")
    assert not (tmp_path / "index").exists() and not (tmp_path / "elsewhere").exists()
    monkeypatch.delenv("GIT_DIR")
    monkeypatch.delenv("GIT_INDEX_FILE")
    assert git(lab, "log", "-1", "--format=%s").strip() == "mine"


def test_a_notebook_below_the_top_and_behind_a_symlink(lab: Path, tmp_path: Path) -> None:
    inner = lab / "a [b]" / "lab"
    inner.mkdir(parents=True)
    (inner / NOTEBOOK).write_text(TEXT)
    other = tmp_path / "other"
    other.mkdir()
    (other / NOTEBOOK).symlink_to(inner / NOTEBOOK)
    assert commit.plan_commit(other).is_untracked
    commit.commit(other)
    change(inner)
    assert commit.plan_commit(other).message == "v0: takeaways"
    commit.commit(inner)
    assert git(lab, "show", "--name-only", "--format=").strip().strip('"') == f"a [b]/lab/{NOTEBOOK}"


def test_a_message_that_looks_like_an_option(lab: Path) -> None:
    commit.commit(lab, "--amend # [/]")
    assert git(lab, "log", "-1", "--format=%s").strip() == "--amend # [/]"


def test_the_command(lab: Path) -> None:
    words = [sys.executable, "-m", "imgexp_tui", "-C", str(lab), "commit"]
    done = subprocess.run([*words, "-m", "by hand"], capture_output=True, text=True)
    assert (done.returncode, done.stdout[:10], done.stdout[-10:]) == (0, "Committed ", ": by hand\n"), done.stderr
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.startswith("imgexp-tui: nothing to commit")
