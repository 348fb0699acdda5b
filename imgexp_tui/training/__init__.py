"""The shipped trainer: a process of its own, and the only one that loads torch.

`python -m imgexp_tui.training RUN_DIR` reads the run's frozen request and writes metrics, events, log lines and
checkpoints into the run's folder. No other package imports it. Start reading with `loop`.

- A new task, a new metric: `tasks`. How metrics are computed over batches and processes: `metrics`.
- Augmentation, that is random transforms of training images: `data/patchwork`; data sets: `data/datasets`.
- Encoders and their weights: `model/`. Several processes: `distributed/` and `ranks`, their parent.
- A new setting: `config`, and `notebook/schema/settings.py`.
"""
