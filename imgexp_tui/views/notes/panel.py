"""Draws a version's notes and settings for the main screen: labels in a narrow column, texts to their right."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from imgexp_tui.notebook.diff import SettingChange
from imgexp_tui.notebook.model import Version
from imgexp_tui.text import clean_line
from imgexp_tui.views.styled import Line, Span, line, line_width
from imgexp_tui.views.wrap import wrap

_GUTTER = 11


def note_lines(
    version: Version,
    changes: Sequence[SettingChange],
    measured: Sequence[tuple[str, str]],
    room: int,
    *,
    has_draft: bool = False,
) -> list[Line]:
    """A version's notes, measured values and settings in lines of `room` cells; empty parts are left out.

    Args:
        changes: the settings that differ from the base version.
        measured: label and text of what was measured.
    """
    blocks = [
        _labelled_lines("problem", (("", [p]) for p in map(str, version.problems)), room, "bad"),
        _labelled_lines(
            "draft", [("warn", ["Unsaved text was kept; e opens the notes and offers it."])] if has_draft else [], room
        ),
        _flow_lines("tags", [*version.tags, *(["archived"] if version.archived else [])], room),
        _note_lines("summary", version.summary, room, "None yet: s writes what is tried here."),
        _flow_lines(f"vs {version.base}" if version.base else "", [clean_line(str(c)) for c in changes], room),
        _note_lines("takeaways", version.takeaways, room, "None yet: e writes what was learned."),
        _observed_lines(version.observed, measured, room),
        _pair_lines("measured", measured, room),
        _flow_lines("settings", _setting_texts(version), room, "quiet"),
    ]
    out: list[Line] = []
    for block in blocks:
        if block:
            out += [(), *block] if out else block
    return out


def _labelled_lines(
    label: str, paragraphs: Iterable[tuple[str, Iterable[str]]], room: int, role: str = ""
) -> list[Line]:
    """Wrapped paragraphs, each with a role of its own or `role`; the label stands at the first line."""
    out: list[Line] = []
    for own, texts in paragraphs:
        for text in texts:
            for piece in wrap(text, room - _GUTTER):
                out.append(_with_label(label if not out else "", ((piece, own or role),)))
    return out


def _note_lines(label: str, text: str, room: int, placeholder: str = "") -> list[Line]:
    if not text.strip(" -\n\t"):
        return [_with_label(label, ((placeholder, "quiet"),))] if placeholder else []
    return [_with_label(label if i == 0 else "", ((piece, ""),)) for i, piece in enumerate(wrap(text, room - _GUTTER))]


def _observed_lines(note: str, measured: Sequence[tuple[str, str]], room: int) -> list[Line]:
    """The noted observations; below a line that is impossible or contradicts a measured value, a remark says why."""
    if not note.strip():
        return []
    from imgexp_tui.records.observed_stats import IMPOSSIBLE, find_discrepancies

    lines, begin = note.split("\n"), 0
    out: list[Line] = []
    for remark in find_discrepancies(note, measured):
        out += _note_lines("observed" if not out else "", "\n".join(lines[begin : remark.line + 1]), room)
        role = "bad" if remark.kind == IMPOSSIBLE else "warn"
        out += [_with_label("", ((piece, role),)) for piece in wrap(f"  {clean_line(str(remark))}", room - _GUTTER)]
        begin = remark.line + 1
    return [*out, *_note_lines("observed" if not out else "", "\n".join(lines[begin:]), room)]


def _pair_lines(label: str, pairs: Sequence[tuple[str, str]], room: int) -> list[Line]:
    """Label and value pairs, one per line: `GPU Memory Usage: 1,985/8,126 MB`."""
    texts = [f"{name}: {value}" for name, value in pairs]
    return _labelled_lines(label, [("", texts)], room)


def _flow_lines(label: str, parts: Sequence[str], room: int, role: str = "") -> list[Line]:
    """Short parts in sequence, with line breaks only between parts."""
    rows: list[Line] = []
    for part in parts:
        piece: Span = (part, role)
        longer = line(*rows[-1], (" · ", "quiet"), piece) if rows else line(piece)
        if rows and line_width(longer) <= room - _GUTTER:
            rows[-1] = longer
        else:
            rows += [line((text, role)) for text in wrap(part, room - _GUTTER)]
    return [_with_label(label if i == 0 else "", row) for i, row in enumerate(rows)]


def _with_label(label: str, text: Line) -> Line:
    return line((f"{label[: _GUTTER - 1]:<{_GUTTER}}", "title"), *text)


def _setting_texts(version: Version) -> list[str]:
    return list(_format_settings(version))


def _format_settings(version: Version) -> Iterator[str]:
    if version.command:
        yield clean_line(" ".join(version.command))
    for name, value in version.train.items():
        text = (
            str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)
        )
        yield clean_line(f"{name} {text}")
