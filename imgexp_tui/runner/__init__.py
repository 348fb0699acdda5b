"""Launching, supervising, stopping and resuming runs. No torch and no terminal: it lives as long as a run does."""
