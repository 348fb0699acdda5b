"""Compares the stats in a note with those that were measured: where they disagree, and which are impossible.

The same rules parse both, because measured stats are formatted as people note them. A line is compared only where its
label names something that was measured and it has a number that can be parsed; other sentences are ignored.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from imgexp_tui.text import clean_line, format_memory

MEMORY_TOLERANCE_SHARE, MEMORY_TOLERANCE_MB = 0.10, 200.0
"""Memory disagrees by more than this share of what was measured, and by more than these MB: what the driver and its
context take differs that much between tools."""
TOTAL_TOLERANCE_SHARE = 0.05
"""Totals that differ by more are from different machines: GB and GiB differ by 7 %, reserved memory by less."""
UTILIZATION_TOLERANCE_POINTS = 15.0
"""Points by which the lowest or highest utilization must differ: people read it from a moving gauge."""
TIME_TOLERANCE_SHARE = 0.25
"""Share by which an epoch's time must differ: people write rounded times."""

IMPOSSIBLE, DIFFERS = "impossible", "differs"
KIND_SIGNS = {IMPOSSIBLE: "✗", DIFFERS: "≠"}

_NUMBER = r"\d+(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"
_USED_OF_TOTAL = re.compile(rf"({_NUMBER})\s*([KMGT]i?B)?\s*(?:/|\bof\b)\s*({_NUMBER})\s*([KMGT]i?B)?", re.IGNORECASE)
_SIZE = re.compile(rf"({_NUMBER})\s*([KMGT]i?B)\b", re.IGNORECASE)
_RANGE = re.compile(rf"({_NUMBER})\s*%?\s*(?:-|–|—|to|or|and)\s*({_NUMBER})\s*%?")
_PERCENT = re.compile(rf"({_NUMBER})\s*%")
_ASIDE = re.compile(r",?\s*\b(?:above|below|over|under|never)\b.*", re.IGNORECASE)
_TIME = re.compile(rf"({_NUMBER})\s*(hours?|hrs?|h|minutes?|mins?|m|seconds?|secs?|s)\b", re.IGNORECASE)
_UNIT_MB = {"K": 1 / 1024, "M": 1.0, "G": 1024.0, "T": 1024.0 * 1024}
_UNIT_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0}


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """One disagreement between a line of a note and the measured stats.

    Attributes:
        line: its number in the note, from 0.
        kind: `IMPOSSIBLE` or `DIFFERS`.
        sentence: why, such as "measured 1,985/8,126 MB".
    """

    line: int
    kind: str
    sentence: str

    def __str__(self) -> str:
        return f"{KIND_SIGNS[self.kind]} {self.sentence}"


def find_discrepancies(observed: str, measured: Sequence[tuple[str, str]]) -> list[Discrepancy]:
    """Where a note and the stats of its run disagree; at most one per line."""
    discrepancies = []
    for number, line in enumerate(observed.split("\n")):
        label, colon, claim = line.strip(" \t-*").partition(":")
        subject = _subject(label) if colon else ""
        if subject and (remark := _discrepancy(number, subject, clean_line(claim), _measured_texts(subject, measured))):
            discrepancies.append(remark)
    return discrepancies


def _discrepancy(number: int, subject: str, claim: str, measured_texts: list[str]) -> Discrepancy | None:
    if why := _why_impossible(subject, claim):
        measured = f"; measured {measured_texts[0]}" if measured_texts else ""
        return Discrepancy(number, IMPOSSIBLE, f"cannot be: {why}{measured}")
    if measured_texts and all(_is_different(subject, claim, text) for text in measured_texts):
        return Discrepancy(number, DIFFERS, f"measured {' and '.join(measured_texts)}")
    return None


def _subject(label: str) -> str:
    """The subject of a label, in any spelling; "" for a subject that is not measured."""
    words = set(re.findall(r"[a-z]+", label.lower()))
    if words & {"gpu", "vram", "cuda"}:
        if words & {"memory", "mem", "vram"}:
            return "gpu memory"
        return "gpu utilization" if words & {"utilization", "utilisation", "util", "usage", "load"} else ""
    if words & {"memory", "mem", "ram"}:
        return "cpu memory"
    if "epoch" in words and words & {"time", "duration", "seconds"}:
        return "epoch valid" if words & {"valid", "validation", "val"} else "epoch train"
    return ""


def _measured_texts(subject: str, measured: Sequence[tuple[str, str]]) -> list[str]:
    """The measured texts of a subject; several for several GPUs."""
    return [text for label, text in measured if _subject(label) == subject]


def _why_impossible(subject: str, claim: str) -> str:
    """Why a claim cannot be true, independent of what was measured; None where it can."""
    if subject.endswith("memory"):
        used, total = _parse_memory(claim)
        return (
            f"{_format_mb(used)} of {_format_mb(total)}"
            if used is not None and total is not None and used > total
            else ""
        )
    if subject == "gpu utilization":
        percents = [float(text.replace(",", "")) for text in _PERCENT.findall(claim)]
        return f"{max(percents):,g} %" if percents and max(percents) > 100 else ""
    return ""


def _is_different(subject: str, claim: str, measured_text: str) -> bool:
    if subject.endswith("memory"):
        (used, total), (peak, measured_total) = _parse_memory(claim), _parse_memory(measured_text)
        if used is None or peak is None:
            return False
        other = (
            total is not None
            and measured_total is not None
            and abs(total - measured_total) > TOTAL_TOLERANCE_SHARE * measured_total
        )
        return other or abs(used - peak) > max(MEMORY_TOLERANCE_MB, MEMORY_TOLERANCE_SHARE * peak)
    if subject == "gpu utilization":
        claimed_percents, measured_percents = _parse_percents(claim), _parse_percents(measured_text)
        return bool(claimed_percents and measured_percents) and any(
            abs(s - w) > UTILIZATION_TOLERANCE_POINTS for s, w in zip(claimed_percents, measured_percents, strict=True)
        )
    seconds, measured_seconds = _parse_seconds(claim), _parse_seconds(measured_text)
    return (
        seconds is not None
        and measured_seconds is not None
        and abs(seconds - measured_seconds) > TIME_TOLERANCE_SHARE * measured_seconds
    )


def _parse_memory(text: str) -> tuple[float | None, float | None]:
    """Used and total, MB; a bare "2,425/30,147" counts as MB."""
    if of := _USED_OF_TOTAL.search(text):
        unit = of[4] or of[2] or "MB"
        return _to_mb(of[1], of[2] or unit), _to_mb(of[3], unit)
    one = _SIZE.search(text)
    return (_to_mb(one[1], one[2]), None) if one else (None, None)


def _parse_percents(text: str) -> tuple[float, float] | tuple[()]:
    """The lowest and the highest percentage in a sentence, without the share of time spent above one."""
    main = _ASIDE.sub("", text)
    numbers = [number for pair in _RANGE.findall(main) for number in pair] + _PERCENT.findall(main)
    percents = [value for number in numbers if (value := float(number.replace(",", ""))) <= 100]
    return (min(percents), max(percents)) if percents else ()


def _parse_seconds(text: str) -> float | None:
    """The first duration in a text, in seconds, such as "~70 s" or "11m 40s"."""
    total, end = None, None
    for match in _TIME.finditer(text):
        if end is not None and text[end : match.start()].strip(" ,"):
            break
        total = (total or 0.0) + float(match[1].replace(",", "")) * _UNIT_SECONDS[match[2][0].lower()]
        end = match.end()
    return total


def _to_mb(number: str, unit: str) -> float:
    return float(number.replace(",", "")) * _UNIT_MB[unit[0].upper()]


def _format_mb(megabytes: float) -> str:
    return format_memory(megabytes * 1024 * 1024)
