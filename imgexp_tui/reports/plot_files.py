"""Writes the folder of plots next to an exported page, and replaces or removes only files that exports made.

A list in the folder, in the format of `sha256sum -c`, names the files that exports made and their hashes. Only a file
that still has its hash is replaced or removed; all other files belong to the user and stay.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from imgexp_tui import durable

LIST_NAME = "files.sha256"
_LIST_HEADER = "# made by imgexp-tui export, which replaces the files below and nothing else here\n"
_LIST_ENTRY = re.compile(r"([0-9a-f]{64})  ([A-Za-z0-9_][A-Za-z0-9._-]*\.(?:png|svg))")


class ExportError(Exception):
    """One sentence for the user: why nothing was exported, and what to do."""


def plots_folder_of(page: Path) -> Path:
    """Returns the folder of a page's plots: `notebook_files` next to `notebook.md`."""
    return page.with_name(f"{page.stem}_files")


def write_export(folder: Path, files: Mapping[str, bytes], write_page: Callable[[], None]) -> None:
    """Writes the plots, then the page, then removes the plots of earlier exports that are no longer used.

    In this order no page ever names a missing plot. Without plots the folder is removed too, if it is then empty.

    Args:
        files: file name → content.

    Raises:
        ExportError: a file that no export made has the name of a plot; nothing was changed.
        OSError: a file could not be written.
    """
    exported = _read_list(folder)
    _check_conflicts(folder, files, exported)
    if files:
        folder.mkdir(exist_ok=True)
        hashes = {name: _hash(data) for name, data in files.items()}
        # The list names old and new files before the first is written, so that an interrupted export can be repeated.
        _write_list(folder, {*exported, *((name, digest) for name, digest in hashes.items())})
        for name, data in files.items():
            if _hash_of_file(folder / name) != hashes[name]:
                durable.replace(folder / name, data, mode=0o644)
        write_page()
        _remove_stale(folder, files, exported)
        _write_list(folder, set(hashes.items()))
        return
    write_page()
    if exported:
        _remove_stale(folder, files, exported)
        (folder / LIST_NAME).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            folder.rmdir()


def _check_conflicts(folder: Path, files: Mapping[str, bytes], exported: set[tuple[str, str]]) -> None:
    if files and (folder.exists() or folder.is_symlink()) and not folder.is_dir():
        raise ExportError(f"{folder} is there already and is no folder; move it away, or name another output")
    for name, data in files.items():
        path = folder / name
        if not (path.exists() or path.is_symlink()) or (digest := _hash_of_file(path)) == _hash(data):
            continue
        if digest is None or (name, digest) not in exported:
            raise ExportError(f"{path} is not as an export left it; move it away, or name another output")


def _remove_stale(folder: Path, files: Mapping[str, bytes], exported: set[tuple[str, str]]) -> None:
    for name, digest in exported:
        if name not in files and _hash_of_file(folder / name) == digest:
            (folder / name).unlink()


def _read_list(folder: Path) -> set[tuple[str, str]]:
    """Returns name and hash of the files that exports made in the folder."""
    try:
        text = (folder / LIST_NAME).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return set()
    return {(match[2], match[1]) for line in text.splitlines() if (match := _LIST_ENTRY.fullmatch(line))}


def _write_list(folder: Path, entries: set[tuple[str, str]]) -> None:
    path = folder / LIST_NAME
    text = _LIST_HEADER + "".join(f"{digest}  {name}\n" for name, digest in sorted(entries))
    if _hash_of_file(path) != _hash(text.encode()):
        durable.replace(path, text.encode(), mode=0o644)


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _hash_of_file(path: Path) -> str | None:
    """Returns the hash of a plain file; None for anything else."""
    try:
        return None if path.is_symlink() or not path.is_file() else _hash(path.read_bytes())
    except OSError:
        return None
