"""Commits the notebook, and nothing else of what one has at hand in the repository.

`git commit --only` takes the file as it lies there and leaves everything that is staged besides for a later commit.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imgexp_tui.notebook.history.git import Done, GitError, Repository, reason, repository
from imgexp_tui.notebook.model import FIELDS
from imgexp_tui.paths import NOTEBOOK
from imgexp_tui.text import clean_line, listed

_LONGEST = 72
"""Characters of a message that is made up; git's own tools cut longer ones."""
_HOOKS = 300.0
"""Seconds that the user's own hooks may take."""
_UNDER_WAY = {
    "MERGE_HEAD": "a merge",
    "rebase-merge": "a rebase",
    "rebase-apply": "a rebase",
    "CHERRY_PICK_HEAD": "a cherry-pick",
    "REVERT_HEAD": "a revert",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """What a commit would be.

    Attributes:
        message: made up of what changed.
        branch: that it goes to; "" where HEAD is on none.
        new: whether git does not know the file yet.
    """

    message: str
    branch: str
    new: bool


def plan(lab: Path) -> Plan:
    """What committing the notebook would do now.

    Raises:
        GitError: why it would not.
    """
    return _plan(repository(lab))


def commit(lab: Path, message: str = "") -> str:
    """Commit the notebook; without a message one is made up. Returns a sentence.

    Raises:
        GitError: nothing was committed, and why.
    """
    where = repository(lab)
    found = _plan(where)
    subject = clean_line(message) or found.message
    if found.new:
        # A file that git does not know is no path to commit. The intent alone leaves the rest of the index as it is.
        where.ask("add", "--intent-to-add", "--", where.name)
    try:
        done = where.run(
            "commit", "--quiet", "--only", "--cleanup=whitespace", f"--message={subject}", "--", where.name,
            timeout=_HOOKS,
        )  # fmt: skip
        if done.code:
            raise GitError(_refused(where, done))
    except GitError:
        if found.new:
            where.run("rm", "--cached", "--quiet", "--force", "--", where.name)
        raise
    sha = where.ask("rev-parse", "--short", "HEAD").decode().strip()
    place = "" if found.branch else "; HEAD is on no branch: name one, or the commit is lost when you leave it"
    return f"Committed {sha}: {subject}{place}"


def _plan(where: Repository) -> Plan:
    for name, what in _UNDER_WAY.items():
        if (where.private / name).exists():
            raise GitError(f"{what} is under way in {where.folder}; finish it, or give it up, then commit")
    status = os.fsdecode(where.ask("status", "--porcelain=v1", "-z", "--ignored", "--", where.name))[:2]
    if not status:
        raise GitError(f"nothing to commit: {NOTEBOOK} is as it was committed")
    if status == "!!":
        raise GitError(f"git ignores {where.name} (.gitignore); mend: git add -f {where.folder / where.name}")
    if "U" in status or status in ("AA", "DD"):
        raise GitError(f"{where.name} has conflicts that git marked; mend them, then: git add {where.name}")
    if where.run("var", "GIT_AUTHOR_IDENT").code or where.run("var", "GIT_COMMITTER_IDENT").code:
        mend = 'git config --global user.name "Your Name", and the same with user.email'
        raise GitError(f"git does not know who you are; mend: {mend}")
    branch = where.run("symbolic-ref", "--quiet", "--short", "HEAD")
    return Plan(_message(where), clean_line(branch.said), status == "??")


def _refused(where: Repository, done: Done) -> str:
    """What kept git from committing; a hook speaks for itself, git with a word in front."""
    hooks = [h for h in ("pre-commit", "prepare-commit-msg", "commit-msg") if os.access(_hook(where, h), os.X_OK)]
    if hooks and not done.said.lstrip().startswith(("fatal: ", "error: ")):
        return f"not committed; the hook {listed(hooks, 'or')} refused it: {reason(done.said)}"
    return f"not committed; git says: {reason(done.said)}"


def _hook(where: Repository, name: str) -> Path:
    return where.folder / os.fsdecode(where.ask("rev-parse", "--git-path", f"hooks/{name}")).strip()


# The message


def _message(where: Repository) -> str:
    old = where.run("cat-file", "blob", f"HEAD:{where.prefix}{where.name}")
    if old.code:
        return f"Add {where.name}"
    try:
        new = (where.folder / where.name).read_bytes()
    except OSError as error:
        raise GitError(f"cannot read {where.folder / where.name}: {error.strerror}") from None
    return message(*(raw.decode("utf-8", "replace") for raw in (old.out, new)))


def message(old: str, new: str) -> str:
    """What changed in the notebook, in one line: `v3: takeaways; new v6`."""
    from imgexp_tui.notebook.toml.tolerant import parse

    parts = list(_changes(parse(old)[0], parse(new)[0])) or ["layout and comments"]
    for shown in range(len(parts), 0, -1):
        rest = f"; {len(parts) - shown} more" if shown < len(parts) else ""
        line = "; ".join(parts[:shown]) + rest
        if len(line) <= _LONGEST:
            return line
    return f"{NOTEBOOK}: {len(parts)} changes" if len(parts) > 1 else parts[0][: _LONGEST - 1] + "…"


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    before, after = _versions(old), _versions(new)
    for name, table in after.items():
        if name in before and (changed := list(_keys(before[name], table))):
            yield f"{clean_line(name)}: {', '.join(changed)}"
    if added := [clean_line(name) for name in after if name not in before]:
        yield f"new {', '.join(added)}"
    if gone := [clean_line(name) for name in before if name not in after]:
        yield f"{', '.join(gone)} removed"
    yield from (key for key in ("lab", "defaults") if old.get(key) != new.get(key))


def _keys(old: object, new: object) -> Iterator[str]:
    """What changed of one version: its notes by name, everything else as settings."""
    a, b = (table if isinstance(table, dict) else {} for table in (old, new))
    yield from (name for name in ("takeaways", "summary", "observed") if a.get(name, "") != b.get(name, ""))
    rest = [{key: value for key, value in table.items() if key not in FIELDS} for table in (a, b)]
    if rest[0] != rest[1]:
        yield "settings"


def _versions(data: Mapping[str, Any]) -> dict[str, Any]:
    found = data.get("versions")
    return found if isinstance(found, dict) else {}
