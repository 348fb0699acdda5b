"""A version's notes as lines: a label in a narrow column, the text beside it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from imgexp_tui.notebook.diff import Change
from imgexp_tui.notebook.model import Version
from imgexp_tui.text import clean_line
from imgexp_tui.views.styled import Line, Span, cells, line
from imgexp_tui.views.wrap import wrap

_GUTTER = 11


def note_lines(
    version: Version,
    changes: Sequence[Change],
    measured: Sequence[tuple[str, str]],
    room: int,
    *,
    draft: bool = False,
) -> list[Line]:
    """Everything that is noted of a version, in lines of `room` cells; parts that say nothing are left out."""
    blocks = [
        _labelled("problem", (("", [p]) for p in map(str, version.problems)), room, "bad"),
        _labelled(
            "draft", [("warn", ["Unsaved text was kept; e opens the notes and offers it."])] if draft else [], room
        ),
        _flow("tags", [*version.tags, *(["archived"] if version.archived else [])], room),
        _note("summary", version.summary, room, "None yet: s writes what is tried here."),
        _flow(f"vs {version.base}" if version.base else "", [clean_line(str(c)) for c in changes], room),
        _note("takeaways", version.takeaways, room, "None yet: e writes what was learned."),
        _observed(version.observed, measured, room),
        _pairs("measured", measured, room),
        _flow("settings", _settings(version), room, "quiet"),
    ]
    out: list[Line] = []
    for block in blocks:
        if block:
            out += [(), *block] if out else block
    return out


def _labelled(label: str, paragraphs: Iterable[tuple[str, Iterable[str]]], room: int, role: str = "") -> list[Line]:
    """Wrapped paragraphs; the label stands beside the first line of the first."""
    out: list[Line] = []
    for own, texts in paragraphs:
        for text in texts:
            for piece in wrap(text, room - _GUTTER):
                out.append(_with_label(label if not out else "", ((piece, own or role),)))
    return out


def _note(label: str, text: str, room: int, otherwise: str = "") -> list[Line]:
    if not text.strip(" -\n\t"):
        return [_with_label(label, ((otherwise, "quiet"),))] if otherwise else []
    return [_with_label(label if i == 0 else "", ((piece, ""),)) for i, piece in enumerate(wrap(text, room - _GUTTER))]


def _observed(note: str, measured: Sequence[tuple[str, str]], room: int) -> list[Line]:
    """What a person noted of the stats; below a line that cannot be, or was measured otherwise, what is wrong."""
    if not note.strip():
        return []
    from imgexp_tui.records.observed_stats import IMPOSSIBLE, remarks

    lines, begin = note.split("\n"), 0
    out: list[Line] = []
    for remark in remarks(note, measured):
        out += _note("observed" if not out else "", "\n".join(lines[begin : remark.line + 1]), room)
        role = "bad" if remark.kind == IMPOSSIBLE else "warn"
        out += [_with_label("", ((piece, role),)) for piece in wrap(f"  {clean_line(str(remark))}", room - _GUTTER)]
        begin = remark.line + 1
    return [*out, *_note("observed" if not out else "", "\n".join(lines[begin:]), room)]


def _pairs(label: str, pairs: Sequence[tuple[str, str]], room: int) -> list[Line]:
    """As people write them: `GPU Memory Usage: 1,985/8,126 MB`."""
    texts = [f"{name}: {value}" for name, value in pairs]
    return _labelled(label, [("", texts)], room)


def _flow(label: str, parts: Sequence[str], room: int, role: str = "") -> list[Line]:
    """Short parts one after the other, broken between them only."""
    rows: list[Line] = []
    for part in parts:
        piece: Span = (part, role)
        longer = line(*rows[-1], (" · ", "quiet"), piece) if rows else line(piece)
        if rows and cells(longer) <= room - _GUTTER:
            rows[-1] = longer
        else:
            rows += [line((text, role)) for text in wrap(part, room - _GUTTER)]
    return [_with_label(label if i == 0 else "", row) for i, row in enumerate(rows)]


def _with_label(label: str, text: Line) -> Line:
    return line((f"{label[: _GUTTER - 1]:<{_GUTTER}}", "title"), *text)


def _settings(version: Version) -> list[str]:
    return list(_shown(version))


def _shown(version: Version) -> Iterator[str]:
    if version.command:
        yield clean_line(" ".join(version.command))
    for name, value in version.train.items():
        text = (
            str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)
        )
        yield clean_line(f"{name} {text}")
