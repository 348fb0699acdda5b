"""Validation that is incomplete, or over another number of images from one epoch to the next.

A loader that drops its last batch (as in v0 of the notes) leaves out the same images always, and figures of versions
with different batch sizes are then of different images. Counting is exact, so that there are no thresholds."""

from __future__ import annotations

from imgexp_tui.findings.model import Evidence, Finding, Severity
from imgexp_tui.findings.run_data import RunData

NAME = "validation"
ORDER = 120


def find(run: RunData) -> Finding | None:
    counts = run.epoch_values("valid/samples")
    if not counts:
        return None
    evidence = Evidence(("valid/samples",), counts[0].step, counts[-1].step)
    least, most = min(counts, key=lambda p: p.value), max(counts, key=lambda p: p.value)
    if least.value != most.value:
        return Finding(
            NAME,
            Severity.WARNING,
            f"Validation is not over the same images each time: {least.value:,.0f} in epoch {least.epoch}, "
            f"{most.value:,.0f} in epoch {most.epoch}.",
            evidence,
            "Validate on all images, in a fixed order, and do not drop the last batch.",
        )
    planned = run.valid_samples
    if planned and most.value < planned:
        batch = run.numeric_setting("batch_size")
        dropped = bool(batch) and planned - most.value == planned % int(batch or 1)
        return Finding(
            NAME,
            Severity.WARNING,
            f"Validation leaves out {planned - most.value:,.0f} of {planned:,} images"
            + (f": the last, incomplete batch of {batch:g}." if dropped else "."),
            evidence,
            "Do not drop the last batch of the validation loader (drop_last=False)." if dropped else "",
        )
    return None
