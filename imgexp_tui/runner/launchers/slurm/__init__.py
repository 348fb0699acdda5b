"""The launcher for Slurm: runs are batch jobs, submitted through submitit."""

from __future__ import annotations

from imgexp_tui.runner.launchers.base import Launcher
from imgexp_tui.runner.launchers.slurm.launcher import SlurmLauncher

LAUNCHER: Launcher = SlurmLauncher()
