"""Chooses the source that a run's metrics are read from. A new format of metrics, such as CSV, is registered here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from imgexp_tui.records.metrics.jsonl_source import JsonlSource
from imgexp_tui.records.metrics.source import MetricSource
from imgexp_tui.records.rundir import RunDir

SOURCES: list[type[MetricSource]] = [JsonlSource]
"""The kinds of sources. A run has the first kind that it has a file of; without any, the last kind."""


def open_source(run: RunDir) -> MetricSource:
    """The source of a run's metrics, at its beginning. Nothing is read yet."""
    return _source_type(run)(run)


def metric_files(run: RunDir) -> Sequence[Path]:
    """The files whose growth shows that a run records metrics; they need not be there yet."""
    return _source_type(run).files(run)


def metrics_size(run: RunDir) -> int:
    """How much a run has recorded, in bytes; 0 where it has recorded nothing."""
    stat = _source_type(run)(run).stat()
    return stat.size if stat else 0


def _source_type(run: RunDir) -> type[MetricSource]:
    *special_types, default = SOURCES
    for kind in special_types:
        if any(file.exists() for file in kind.files(run)):
            return kind
    return default
