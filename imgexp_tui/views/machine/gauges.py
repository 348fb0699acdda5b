"""The machine's gauges as lines: one for a small screen, a panel with bars and their pasts for a large one.

Without a GPU nothing is said of GPUs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from imgexp_tui.text import clean_line, fit
from imgexp_tui.views.runs.model import Share
from imgexp_tui.views.styled import Line, cells, fitting, line

if TYPE_CHECKING:
    from imgexp_tui.views.machine.history import Past
    from imgexp_tui.views.machine.model import Card, Machine

_GIGA = 1024**3
_BETWEEN = ("  ", "")
_PAST, _WIDE = 12, 5
"""Cells of a gauge's past in the panel, and how many of the finest columns each stands for: two minutes."""


def bar(share: float, room: int, role: str) -> Line:
    """A share of 0 to 1 as a heavy line on a light one, legible without colours."""
    done = min(room, max(0, round(share * room)))
    return line(("━" * done, role), ("─" * (room - done), "rest"))


def giga(used: float, total: float | None = None) -> str:
    """Bytes as `2.4/30.1 GB`, or `2.4 GB`."""
    return f"{used / _GIGA:.1f}/{total / _GIGA:.1f} GB" if total else f"{used / _GIGA:.1f} GB"


def one_line(machine: Machine | None, share: Share | None, room: int) -> Line:
    """The gauges that fit into one line, the most telling first."""
    if machine is None:
        return ()
    parts = [_labelled("CPU", f"{machine.cpu:.0f} %"), _labelled("memory", giga(machine.memory, machine.memory_total))]
    for card in machine.cards:
        name = "GPU" if len(machine.cards) == 1 else f"GPU {card.index}"
        parts.append(_labelled(name, "lost" if card.lost else "  ".join(_told(card))))
    if machine.trouble:
        parts.append(line((machine.trouble, "quiet")))
    if share:
        parts.append(_labelled("this run", _share(share)))
    return line(" ", *fitting(parts, _BETWEEN, room - 1))


def panel(machine: Machine | None, share: Share | None, room: int) -> list[Line]:
    """The gauges with bars, a line each, and the run's own share."""
    if machine is None:
        return []
    past = machine.past
    rows = [
        _gauge("CPU", machine.cpu, 100, f"{machine.cpu:.0f} % of {_cores(machine.cores)}", room, past.get("cpu")),
        _gauge(
            "memory",
            machine.memory,
            machine.memory_total,
            giga(machine.memory, machine.memory_total),
            room,
            past.get("memory"),
        ),
    ]
    for card in machine.cards:
        rows += _card(card, "GPU" if len(machine.cards) == 1 else f"GPU {card.index}", room, past)
    if machine.trouble:
        rows.append(line((machine.trouble, "quiet")))
    if share:
        rows += [(), line((f"{'this run':<10}", "quiet"), _share(share))]
    return rows


def _card(card: Card, name: str, room: int, past: Mapping[str, Past]) -> list[Line]:
    rows, at = [], f"gpu{card.index}/"
    if card.utilization is not None:
        rest = "  ".join(_told(card)[2:])
        text = f"{card.utilization:.0f} %  {rest}".rstrip()
        rows.append(_gauge(name, card.utilization, 100, text, room, past.get(f"{at}utilization")))
    if card.memory is not None and card.memory_total:
        text = giga(card.memory, card.memory_total)
        label = "  memory" if rows else name
        rows.append(_gauge(label, card.memory, card.memory_total, text, room, past.get(f"{at}memory")))
    what = "is lost" if card.lost else "tells nothing"
    return rows or [line((f"{name:<10}", "quiet"), (f"{fit(clean_line(card.name), 24)} {what}", "quiet"))]


def _told(card: Card) -> list[str]:
    """Utilisation, memory, temperature and power, in this order; "" for the first two where they are unknown."""
    power = None
    if card.power is not None:
        power = f"{card.power:.0f}/{card.power_limit:.0f} W" if card.power_limit else f"{card.power:.0f} W"
    found = [
        "" if card.utilization is None else f"{card.utilization:.0f} %",
        "" if card.memory is None else giga(card.memory, card.memory_total),
        None if card.temperature is None else f"{card.temperature:.0f} °C",
        power,
    ]
    return [text for text in found if text is not None]


def _gauge(label: str, value: float, top: float, text: str, room: int, past: Past | None) -> Line:
    """A bar, its past where there is room for it, and the figures."""
    from imgexp_tui.views.machine.history import spark

    share = value / top if top else 0.0
    role = "warn" if share >= 0.95 else "live"
    told = line(*bar(share, _PAST, role), " ", spark(past, _PAST, top, _WIDE))
    if room < 10 + 2 * _PAST + 2 + 25:
        told = bar(share, max(6, min(28, room - 10 - 26)), role)
    return line((f"{label:<10}", "quiet"), *told, "  ", text)


def _labelled(label: str, text: str) -> Line:
    return line((f"{label} ", "quiet"), text) if text.strip() else ()


def _share(share: Share) -> str:
    parts = [f"{share.cpu:.0f} % CPU", giga(share.memory)]
    if share.gpu_memory is not None:
        parts.append(f"{giga(share.gpu_memory)} GPU")
    parts.append("1 process" if share.processes == 1 else f"{share.processes} processes")
    return "  ".join(parts)


def _cores(count: int) -> str:
    return "1 core" if count == 1 else f"{count} cores"


def panel_width(rows: list[Line]) -> int:
    """The cells that the widest of the lines takes."""
    return max(map(cells, rows), default=0)
