"""Commits the notebook with git, and nothing else that is staged or changed in the repository.

`git commit --only` commits the file as it is on disk and leaves everything else that is staged for a later commit.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imgexp_tui.notebook.history.git import GitError, GitRepository, GitResult, find_repository, format_git_message
from imgexp_tui.notebook.model import NOTE_FIELDS
from imgexp_tui.paths import NOTEBOOK
from imgexp_tui.text import clean_line, join_names

_MAX_MESSAGE_LENGTH = 72
"""Characters of a generated message; git's own tools cut longer ones."""
_HOOK_TIMEOUT = 300.0
"""Seconds that the user's own hooks may take."""
_OPERATIONS_IN_PROGRESS = {
    "MERGE_HEAD": "a merge",
    "rebase-merge": "a rebase",
    "rebase-apply": "a rebase",
    "CHERRY_PICK_HEAD": "a cherry-pick",
    "REVERT_HEAD": "a revert",
}


@dataclass(frozen=True, slots=True)
class CommitPlan:
    """What a commit would be.

    Attributes:
        message: generated from what changed.
        branch: the branch that it goes to; "" if HEAD is on none.
        is_untracked: whether git does not know the file yet.
    """

    message: str
    branch: str
    is_untracked: bool


def plan_commit(lab: Path) -> CommitPlan:
    """Returns what committing the notebook would do now.

    Raises:
        GitError: why it cannot be committed.
    """
    return _plan_commit(find_repository(lab))


def commit(lab: Path, message: str = "") -> str:
    """Commits the notebook, with a generated message if none is given. Returns a sentence for the user.

    Raises:
        GitError: nothing was committed, and why.
    """
    repo = find_repository(lab)
    plan = _plan_commit(repo)
    subject = clean_line(message) or plan.message
    if plan.is_untracked:
        # git commits no untracked path. `--intent-to-add` leaves the rest of the index as it is.
        repo.check_output("add", "--intent-to-add", "--", repo.file_name)
    try:
        result = repo.run(
            "commit", "--quiet", "--only", "--cleanup=whitespace", f"--message={subject}", "--", repo.file_name,
            timeout=_HOOK_TIMEOUT,
        )  # fmt: skip
        if result.exit_code:
            raise GitError(_format_refusal(repo, result))
    except GitError:
        if plan.is_untracked:
            repo.run("rm", "--cached", "--quiet", "--force", "--", repo.file_name)
        raise
    sha = repo.check_output("rev-parse", "--short", "HEAD").decode().strip()
    warning = "" if plan.branch else "; HEAD is on no branch: name one, or the commit is lost when you leave it"
    return f"Committed {sha}: {subject}{warning}"


def _plan_commit(repo: GitRepository) -> CommitPlan:
    for name, what in _OPERATIONS_IN_PROGRESS.items():
        if (repo.git_dir / name).exists():
            raise GitError(f"{what} is under way in {repo.folder}; finish it, or give it up, then commit")
    status = os.fsdecode(repo.check_output("status", "--porcelain=v1", "-z", "--ignored", "--", repo.file_name))[:2]
    if not status:
        raise GitError(f"nothing to commit: {NOTEBOOK} is as it was committed")
    if status == "!!":
        raise GitError(f"git ignores {repo.file_name} (.gitignore); mend: git add -f {repo.folder / repo.file_name}")
    if "U" in status or status in ("AA", "DD"):
        raise GitError(f"{repo.file_name} has conflicts that git marked; mend them, then: git add {repo.file_name}")
    if repo.run("var", "GIT_AUTHOR_IDENT").exit_code or repo.run("var", "GIT_COMMITTER_IDENT").exit_code:
        mend = 'git config --global user.name "Your Name", and the same with user.email'
        raise GitError(f"git does not know who you are; mend: {mend}")
    branch = repo.run("symbolic-ref", "--quiet", "--short", "HEAD")
    return CommitPlan(_message_for_working_copy(repo), clean_line(branch.message), status == "??")


def _format_refusal(repo: GitRepository, result: GitResult) -> str:
    """Formats why git did not commit; a hook's own words, or git's."""
    hooks = [h for h in ("pre-commit", "prepare-commit-msg", "commit-msg") if os.access(_hook_path(repo, h), os.X_OK)]
    if hooks and not result.message.lstrip().startswith(("fatal: ", "error: ")):
        return f"not committed; the hook {join_names(hooks, 'or')} refused it: {format_git_message(result.message)}"
    return f"not committed; git says: {format_git_message(result.message)}"


def _hook_path(repo: GitRepository, name: str) -> Path:
    return repo.folder / os.fsdecode(repo.check_output("rev-parse", "--git-path", f"hooks/{name}")).strip()


def _message_for_working_copy(repo: GitRepository) -> str:
    old = repo.run("cat-file", "blob", f"HEAD:{repo.prefix}{repo.file_name}")
    if old.exit_code:
        return f"Add {repo.file_name}"
    try:
        new = (repo.folder / repo.file_name).read_bytes()
    except OSError as error:
        raise GitError(f"cannot read {repo.folder / repo.file_name}: {error.strerror}") from None
    return commit_message(*(raw.decode("utf-8", "replace") for raw in (old.stdout, new)))


def commit_message(old: str, new: str) -> str:
    """Returns one line about what changed in the notebook: `v3: takeaways; new v6`."""
    from imgexp_tui.notebook.toml.tolerant import parse_tolerant

    parts = list(_describe_changes(parse_tolerant(old)[0], parse_tolerant(new)[0])) or ["layout and comments"]
    for count in range(len(parts), 0, -1):
        rest = f"; {len(parts) - count} more" if count < len(parts) else ""
        line = "; ".join(parts[:count]) + rest
        if len(line) <= _MAX_MESSAGE_LENGTH:
            return line
    return f"{NOTEBOOK}: {len(parts)} changes" if len(parts) > 1 else parts[0][: _MAX_MESSAGE_LENGTH - 1] + "…"


def _describe_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    before, after = _version_tables(old), _version_tables(new)
    for name, table in after.items():
        if name in before and (changed := list(_changed_keys(before[name], table))):
            yield f"{clean_line(name)}: {', '.join(changed)}"
    if added := [clean_line(name) for name in after if name not in before]:
        yield f"new {', '.join(added)}"
    if removed := [clean_line(name) for name in before if name not in after]:
        yield f"{', '.join(removed)} removed"
    yield from (key for key in ("lab", "defaults") if old.get(key) != new.get(key))


def _changed_keys(old: object, new: object) -> Iterator[str]:
    """Yields what changed in one version: notes by name, everything else as "settings"."""
    a, b = (table if isinstance(table, dict) else {} for table in (old, new))
    yield from (name for name in ("takeaways", "summary", "observed") if a.get(name, "") != b.get(name, ""))
    rest = [{key: value for key, value in table.items() if key not in NOTE_FIELDS} for table in (a, b)]
    if rest[0] != rest[1]:
        yield "settings"


def _version_tables(data: Mapping[str, Any]) -> dict[str, Any]:
    tables = data.get("versions")
    return tables if isinstance(tables, dict) else {}
