"""Underfits: the training loss itself stays high at the end, and validation is about as good.

The measure is the share of guessing's loss that training took away, 1 - loss / chance, which for a logistic model is
McFadden's pseudo R²; he calls 0.2 to 0.4 an excellent fit for noisy choices of people (McFadden 1979, "Quantitative
Methods for Analyzing Travel Behaviour"). For labels that are certain, below 0.2 little is learned. A run that is not
better than chance does not underfit, it does not learn; `chance` tells that."""

from __future__ import annotations

from imgexp_tui.findings.model import Evidence, Finding, Severity
from imgexp_tui.findings.rules.learning.chance import _SIGNIFICANCE, chance_test
from imgexp_tui.findings.run_data import RunData, last_mean
from imgexp_tui.findings.statistics import decrease_p_value
from imgexp_tui.notebook.schema.settings import SettingValue

NAME = "underfits"
ORDER = 50
_POOR_FIT, _FAIR_FIT = 0.2, 0.4
"""Shares of guessing's loss that training removed: below the first a warning, below the second information."""
_MAX_GAP = 0.1
"""Validation loss above the training loss, as a share of guessing's, up to which it is "about as good"."""
_MIN_COMPLETED_SHARE, _MIN_EPOCHS = 0.75, 4


def find(run: RunData) -> Finding | None:
    losses, valid = run.train_losses, run.epoch_values("valid/loss")
    chance = run.follower.chance.get("valid/loss") or run.follower.chance.get("train/loss")
    if not chance or len(losses) < _MIN_EPOCHS or run.completed_share < _MIN_COMPLETED_SHARE:
        return None
    judged = chance_test(run)
    if judged and judged[0] >= _SIGNIFICANCE:
        return None
    loss = last_mean(losses)
    learned_share = 1 - loss / chance
    if learned_share >= _FAIR_FIT or (valid and last_mean(valid) - loss > _MAX_GAP * chance):
        return None
    still_falls = decrease_p_value([p.value for p in losses[-max(4, len(losses) // 2) :]]) < 0.05
    suggestion, change = _suggest(run, still_falls)
    valid_text = f", validation {last_mean(valid):.3g}" if valid else ""
    return Finding(
        NAME,
        Severity.WARNING if learned_share < _POOR_FIT else Severity.INFO,
        f"It underfits: the training loss is {loss:.3g} at the end (guessing: {chance:.3g}{valid_text})"
        + (", and still falls." if still_falls else "."),
        Evidence(("train/loss", "valid/loss"), losses[max(0, len(losses) - 3)].step, losses[-1].step),
        suggestion,
        change,
    )


def _suggest(run: RunData, still_falls: bool) -> tuple[str, dict[str, SettingValue] | None]:
    dropout, epochs = run.numeric_setting("dropout") or 0.0, run.numeric_setting("epochs")
    if still_falls and epochs:
        longer = 2 * int(epochs)
        return f"Train longer (epochs = {longer}), or with a higher learning rate.", {"epochs": longer}
    if dropout > 0:
        lower = round(dropout / 2, 3)
        return f"Turn down dropout (to {lower:g}) or the augmentation, or take a larger model.", {"dropout": lower}
    return "Take a larger model, train longer, or raise the learning rate.", None
