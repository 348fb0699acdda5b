"""The shipped trainer: a process of its own, and the only one that loads torch.

`python -m imgexp_tui.training RUN_DIR` reads the run's frozen request and writes metrics, events, log lines and
checkpoints into its folder; nobody imports it. `loop` is the place to start reading.
"""
