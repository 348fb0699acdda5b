"""Rules that compare a run with those of its base version: changes without effect, seed noise, pace."""
