"""The supervisor of a run: starts the trainer, records what happens, and cleans up after it."""
