"""The machine's gauges as lines: one for a small screen, a panel with bars for a large one."""

from __future__ import annotations

from imgexp_tui.text import clean_line, fit
from imgexp_tui.tui.lines import Line, cells, fitting, line
from imgexp_tui.tui.machine import Card, Machine
from imgexp_tui.tui.shown_run import Share

_GIGA = 1024**3
_BETWEEN = ("  ", "")


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
        parts.append(_labelled(name, "  ".join(_told(card))))
    if not machine.cards:
        parts.append(line(("no GPU", "quiet")))
    if share:
        parts.append(_labelled("this run", _share(share)))
    return line(" ", *fitting(parts, _BETWEEN, room - 1))


def panel(machine: Machine | None, share: Share | None, room: int) -> list[Line]:
    """The gauges with bars, a line each, and the run's own share."""
    if machine is None:
        return []
    rows = [
        _gauge("CPU", machine.cpu / 100, f"{machine.cpu:.0f} % of {_cores(machine.cores)}", room),
        _gauge(
            "memory",
            machine.memory / machine.memory_total if machine.memory_total else 0,
            giga(machine.memory, machine.memory_total),
            room,
        ),
    ]
    for card in machine.cards:
        rows += _card(card, "GPU" if len(machine.cards) == 1 else f"GPU {card.index}", room)
    if not machine.cards:
        rows.append(line(("no GPU", "quiet")))
    if share:
        rows += [(), line((f"{'this run':<10}", "quiet"), _share(share))]
    return rows


def _card(card: Card, name: str, room: int) -> list[Line]:
    rows = []
    if card.utilization is not None:
        rest = "  ".join(_told(card)[2:])
        rows.append(_gauge(name, card.utilization / 100, f"{card.utilization:.0f} %  {rest}".rstrip(), room))
    if card.memory is not None and card.memory_total:
        text = giga(card.memory, card.memory_total)
        rows.append(_gauge("  memory" if rows else name, card.memory / card.memory_total, text, room))
    return rows or [line((f"{name:<10}", "quiet"), (f"{fit(clean_line(card.name), 24)} tells nothing", "quiet"))]


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


def _gauge(label: str, share: float, text: str, room: int) -> Line:
    size = max(6, min(28, room - 10 - 26))
    role = "warn" if share >= 0.95 else "live"
    return line((f"{label:<10}", "quiet"), *bar(share, size, role), "  ", text)


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
