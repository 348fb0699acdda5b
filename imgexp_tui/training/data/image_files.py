"""Lists and reads the image files of a folder or a zip, without unpacking it.

Both readers can be copied into worker processes. After a fork, an open zip would share its file position with the
parent, so each process opens its own.
"""

from __future__ import annotations

import contextlib
import os
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Protocol

from imgexp_tui.training.data.decode import HEAD_SIZE, UnreadableImage, is_image
from imgexp_tui.training.errors import TrainingError
from imgexp_tui.training.run_logger import RunLogger

_MAX_FILE_SIZE = 512 << 20


class FileSource(Protocol):
    """Files by name. Names are relative and use forward slashes. Reading raises UnreadableImage or OSError."""

    def names(self) -> Iterator[str]: ...

    def read_head(self, name: str) -> bytes: ...

    def read(self, name: str) -> bytes: ...


class FolderSource:
    """The files below a folder. Links are followed; each folder is visited once."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def names(self) -> Iterator[str]:
        visited: set[str] = set()
        for folder, subfolders, files in os.walk(self._root, followlinks=True):
            real = os.path.realpath(folder)
            if real in visited:
                subfolders.clear()
                continue
            visited.add(real)
            yield from (Path(folder, name).relative_to(self._root).as_posix() for name in files)

    def read_head(self, name: str) -> bytes:
        path = self._root / name
        if not path.is_file():  # reading a named pipe would block for ever
            return b""
        with path.open("rb") as file:
            return file.read(HEAD_SIZE)

    def read(self, name: str) -> bytes:
        path = self._root / name
        if path.stat().st_size > _MAX_FILE_SIZE:
            raise UnreadableImage("larger than 512 MB")
        return path.read_bytes()


class ZipSource:
    """The members of a zip file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._open: tuple[int, zipfile.ZipFile] | None = None
        self._open_archive()

    def names(self) -> Iterator[str]:
        yield from (i.filename for i in self._open_archive().infolist() if not i.is_dir())

    def read_head(self, name: str) -> bytes:
        with self._open_member(name) as file:
            return file.read(HEAD_SIZE)

    def read(self, name: str) -> bytes:
        if self._open_archive().getinfo(name).file_size > _MAX_FILE_SIZE:
            raise UnreadableImage("larger than 512 MB")
        with self._open_member(name) as file:
            return file.read()

    def __getstate__(self) -> dict[str, object]:
        return {"_path": self._path, "_open": None}

    @contextlib.contextmanager
    def _open_member(self, name: str) -> Iterator[IO[bytes]]:
        try:
            with self._open_archive().open(name) as file:
                yield file
        # Damage, a password, an unknown compression, a truncated member.
        except (zipfile.BadZipFile, zlib.error, RuntimeError, EOFError) as error:
            raise UnreadableImage(str(error)) from None

    def _open_archive(self) -> zipfile.ZipFile:
        if self._open is None or self._open[0] != os.getpid():
            try:
                self._open = (os.getpid(), zipfile.ZipFile(self._path))
            except (zipfile.BadZipFile, OSError) as error:
                raise TrainingError(f"data: {self._path} cannot be read as a zip file: {error}") from None
        return self._open[1]


def open_files(path: Path) -> FileSource:
    """The files of a folder or a zip.

    Raises:
        TrainingError: `path` is neither of them, or cannot be read.
    """
    try:
        if path.is_dir():
            return FolderSource(path)
        if zipfile.is_zipfile(path):
            return ZipSource(path)
    except OSError as error:
        raise TrainingError(f"data: {path}: {error.strerror}") from None
    raise TrainingError(f"data: {path} is neither a folder nor a zip file of images")


def find_image_names(files: FileSource, logger: RunLogger) -> list[str]:
    """The names of the image files, sorted, without hidden files. Images are recognised by their first bytes."""
    image_names = []
    for count, name in enumerate(files.names(), 1):
        logger.log_progress("looking for images", count, None, "files")
        hidden = any(part.startswith((".", "__MACOSX")) for part in name.split("/"))
        if not hidden and _has_image_header(files, name):
            image_names.append(name)
    return sorted(image_names)


def _has_image_header(files: FileSource, name: str) -> bool:
    try:
        return is_image(files.read_head(name))
    except (OSError, UnreadableImage):
        return False
