"""The machine on a whole screen, as lines: each gauge with its past and its figures. What is not told is "n/a"."""

from __future__ import annotations

from collections.abc import Mapping

from imgexp_tui.text import clean_line
from imgexp_tui.views.machine.gauges import bar, giga
from imgexp_tui.views.machine.history import COLUMN, spark
from imgexp_tui.views.machine.model import Card, Machine
from imgexp_tui.views.styled import Line, fitting, line, spread

Traffic = Mapping[int, tuple[float | None, float | None]]
_LABEL, _GAP = 10, 2
_FIGURES = (36, 64)
"""Cells of the figures at the right: at least, and where there is room."""
_LONGEST = 120
_MEGA, _GIGA = 1e6, 1e9
_BLOCKS = "▁▂▃▄▅▆▇█"
_BUSY = 80.0
"""Percent from which a core counts as busy."""
_BETWEEN = ("  ", "")


def title(host: str, machine: Machine | None, room: int) -> Line:
    """The first line: whose gauges these are, and how far back they go."""
    seconds = COLUMN * past_room(room)
    ago = f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"
    right = line((f"the last {ago} ", "quiet"))
    trouble = machine.trouble if machine else ""
    return spread(line((" Machine ", "title"), (clean_line(host), "strong"), (f"  {trouble}", "quiet")), right, room)


def past_room(room: int) -> int:
    """Cells of each gauge's past."""
    return max(8, min(_LONGEST, room - _LABEL - _GAP - _figures(room)))


def gauges(machine: Machine | None, traffic: Traffic, room: int) -> list[Line]:
    """Every gauge; GPUs only where there are any."""
    if machine is None:
        return [line(("looking …", "quiet"))]
    rows = [*_host(machine, room)]
    for card in machine.cards:
        rows += _card(card, machine, traffic, room, alone=len(machine.cards) == 1)
    return rows


def _host(machine: Machine, room: int) -> list[Line]:
    cores = "1 core" if machine.cores == 1 else f"{machine.cores} cores"
    load = " ".join(f"{value:.1f}" for value in machine.load)
    rows = [
        _row("CPU", machine, "cpu", 100.0, [_percent(machine.cpu), f"of {cores}", f"load {load}"], room),
        *_cores(machine, room),
        _row(
            "memory",
            machine,
            "memory",
            machine.memory_total,
            [
                giga(machine.memory, machine.memory_total),
                f"swap {giga(machine.swap, machine.swap_total)}" if machine.swap_total else "no swap",
            ],
            room,
        ),
    ]
    disk = [f"read {_rate(machine.disk_read)}", f"write {_rate(machine.disk_write)}"]
    if machine.disk_free is not None:
        free = f"{machine.disk_free / _GIGA:.1f} GB free"
        # What fills a disk is told even where there is no room for what comes and goes.
        disk = [*disk, free] if _figures(room) > _FIGURES[0] else [free, f"r/w {_rates(machine)}"]
    rows.append(_row("disk", machine, "disk", None, disk, room))
    net = [f"in {_rate(machine.net_in)}", f"out {_rate(machine.net_out)}"]
    return [*rows, _row("network", machine, "net", None, net, room)]


def _cores(machine: Machine, room: int) -> list[Line]:
    """The load of each core as one block, or of neighbours where they are many."""
    cores, cells = machine.per_core, past_room(room)
    if len(cores) < 2:
        return []
    each = -(-len(cores) // cells)
    groups = [cores[i : i + each] for i in range(0, len(cores), each)]
    blocks = "".join(_BLOCKS[round(max(group) / 100 * 7)] for group in groups)
    busy = sum(core >= _BUSY for core in cores)
    # At the left: these are cores side by side, and no past.
    text = f"{busy} of {len(cores)} cores busy"
    return [line(("  cores   ", "quiet"), (f"{blocks:<{cells}}", "live"), " " * _GAP, text)]


def _card(card: Card, machine: Machine, traffic: Traffic, room: int, *, alone: bool) -> list[Line]:
    name, at = "GPU" if alone else f"GPU {card.index}", f"gpu{card.index}/"
    if card.lost:
        return [line((f"{name:<{_LABEL}}", "quiet"), (clean_line(card.name), ""), (" is lost: no answer", "warn"))]
    power = f"{_whole(card.power)}/{_whole(card.power_limit)} W" if card.power_limit else f"{_whole(card.power)} W"
    heat = f"{_whole(card.temperature)} °C"
    figures = [_percent(card.utilization), heat, power if card.power is not None else "power n/a"]
    memory = "n/a" if card.memory is None else giga(card.memory, card.memory_total)
    rows = [
        _row(name, machine, f"{at}utilization", 100.0, figures, room),
        _row("  memory", machine, f"{at}memory", card.memory_total, [memory], room),
    ]
    for part in card.parts:
        used = "n/a" if part.memory is None else giga(part.memory, part.memory_total)
        share = part.memory / part.memory_total if part.memory is not None and part.memory_total else 0.0
        label = f"  MIG {part.index}"
        shown = bar(share, past_room(room), "live")
        rows.append(line((f"{label:<{_LABEL}}", "quiet"), *shown, " " * _GAP, used))
    return [*rows, _details(card, traffic.get(card.index, (None, None)), room)]


def _details(card: Card, traffic: tuple[float | None, float | None], room: int) -> Line:
    """What is looked at seldom, the most telling first."""
    clock = f"{_whole(card.clock)}/{_whole(card.clock_max)} MHz" if card.clock is not None else "clock n/a"
    slowed = {None: "throttling n/a", "": "not throttled"}.get(card.throttle, f"slowed down by {card.throttle}")
    link = f"PCIe {card.link or 'n/a'}"
    moved = f"in {_rate(traffic[0])}, out {_rate(traffic[1])}"
    ecc = "ECC n/a" if card.ecc is None else f"{card.ecc} ECC error{'' if card.ecc == 1 else 's'}"
    parts = [
        line((slowed, "warn" if card.throttle else "quiet")),
        line((ecc, "warn" if card.ecc else "quiet")),
        *(line((text, "quiet")) for text in (clock, link, moved, clean_line(card.name))),
    ]
    return line(" " * _LABEL, *fitting(parts, _BETWEEN, room - _LABEL))


def _row(label: str, machine: Machine, name: str, top: float | None, figures: list[str], room: int) -> Line:
    """A gauge's label, past and figures, as many of these as fit."""
    past = machine.past.get(name)
    told = fitting([line(text) for text in figures], _BETWEEN, room - _LABEL - past_room(room) - _GAP)
    values = spark(past, past_room(room), top or max(_MEGA, past.highest(past_room(room)) if past else 0.0))
    return line((f"{label:<{_LABEL}}", "quiet"), (values, "live"), " " * _GAP, *told)


def _figures(room: int) -> int:
    least, most = _FIGURES
    return least if room < 110 else most


def _percent(value: float | None) -> str:
    return "n/a" if value is None else f"{value:3.0f} %"


def _whole(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.0f}"


def _rates(machine: Machine) -> str:
    """Read and written, short."""
    if machine.disk_read is None or machine.disk_write is None:
        return "n/a"
    return f"{machine.disk_read / _MEGA:.0f}/{machine.disk_write / _MEGA:.0f} MB/s"


def _rate(value: float | None) -> str:
    return "n/a" if value is None else f"{value / _MEGA:.1f} MB/s"
