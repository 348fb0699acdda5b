"""Draws a run's confusion matrix where it fits, and a list of the most common mistakes."""

from __future__ import annotations

from imgexp_tui.records.predictions import Predictions
from imgexp_tui.text import clean_line, truncate
from imgexp_tui.views.styled import Line, Span, line, pad

_NAME_WIDTH = 16
_SHADES = "·░▒▓█"
_MAX_MISTAKES = 12


def confusion_lines(predictions: Predictions, room: int) -> list[Line]:
    """The confusion matrix over all validation images, one row per true class, shaded by the fraction of that class."""
    names = [clean_line(name) for name in predictions.classes]
    if not predictions.confusion:
        return [line((f"{len(names):,} classes are too many for a table of who is taken for whom.", "quiet"))]
    total = sum(map(sum, predictions.confusion))
    right = sum(row[i] for i, row in enumerate(predictions.confusion))
    out = [line((f"{right:,} of {total:,} right ({right / total:.1%})" if total else "no images", "strong")), ()]
    cell = max(5, *(len(f"{n:,}") + 2 for row in predictions.confusion for n in row))
    max_classes = (room - _NAME_WIDTH - 8) // cell
    if len(names) <= max_classes:
        out += _table_lines(predictions, names, cell)
    else:
        out += [line((f"A table of {len(names)} classes needs a wider terminal; these are taken for others:", "quiet"))]
    return [*out, (), *_mistake_lines(predictions, names)]


def _table_lines(predictions: Predictions, names: list[str], cell_width: int) -> list[Line]:
    heads: list[Span | str] = [(" " * _NAME_WIDTH + "taken for", "quiet")]
    labels: list[Span | str] = [
        " " * _NAME_WIDTH,
        *((f"{truncate(name, cell_width - 1):>{cell_width}}", "quiet") for name in names),
    ]
    out = [line(*heads), line(*labels, ("   recall", "quiet"))]
    for i, (name, row) in enumerate(zip(names, predictions.confusion, strict=True)):
        total = sum(row)
        spans: list[Span | str] = [*pad(line((truncate(name, _NAME_WIDTH - 1), "strong")), _NAME_WIDTH)]
        for j, n in enumerate(row):
            share = n / total if total else 0.0
            shade = _SHADES[min(4, int(share * 5))] if n else " "
            spans.append((f"{shade}{n:>{cell_width - 1},}", "good" if i == j else "bad" if share >= 0.2 else ""))
        spans.append((f"{row[i] / total:>8.0%}" if total else f"{'–':>8}", ""))
        out.append(line(*spans))
    return out


def _mistake_lines(predictions: Predictions, names: list[str]) -> list[Line]:
    pairs = [(n, i, j) for i, row in enumerate(predictions.confusion) for j, n in enumerate(row) if i != j and n]
    pairs.sort(key=lambda p: (-p[0], p[1], p[2]))
    if not pairs:
        return [line(("No mistakes.", "good"))]
    out = [line(("most common mistakes", "title"))]
    for n, i, j in pairs[:_MAX_MISTAKES]:
        total = sum(predictions.confusion[i])
        out.append(line(f" {n:>6,} of {total:>6,} ", (names[i], "strong"), " taken for ", (names[j], "strong")))
    return out
