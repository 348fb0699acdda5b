"""Run directories: what a run was asked, what it is doing, what it measured, how it ended. Files only."""
