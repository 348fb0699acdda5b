"""The names of the findings. The notebook checks `[lab] findings_off` against them; the rules carry them."""

from __future__ import annotations

from imgexp_tui.notebook.schema.settings import closest_name

FINDING_NAMES = (
    "starved", "batch_headroom", "constant", "chance", "underfits", "overfits", "learning_rate", "not_finite",
    "gradients", "memory", "stopping", "validation", "pace", "seed_noise", "augmented_validation", "worker_seeds",
    "gpu", "stalled", "disk", "no_effect", "against_base",
)  # fmt: skip
"""In the order in which docs/findings.md tells of them."""


def finding_names_error(value: object) -> str | None:
    """What is wrong with a list of names of findings, and the mend; None where it is right."""
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        return 'must be an array of names, such as ["starved", "memory"]'
    for name in value:
        if name not in FINDING_NAMES:
            near = closest_name(name, FINDING_NAMES)
            return f"{name!r} is no finding; " + (f"did you mean {near}?" if near else "docs/findings.md lists them")
    return None
