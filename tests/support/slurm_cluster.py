"""A real Slurm of one node, started by hand in folders and on ports of its own, without systemd."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from functools import partial
from pathlib import Path

from imgexp_tui.monitor.proc import list_pids, read_environment
from tests.helpers import wait_until

CONF = """
ClusterName=lab
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
AuthType=auth/munge
# How long a job that was queued again is held; five seconds are the least.
AuthInfo=socket={base}/munge/run/munge.sock,cred_expire=5
CredType=cred/munge
SlurmUser={user}
SlurmdUser={user}
StateSaveLocation={base}/state
SlurmdSpoolDir={base}/spool
SlurmctldPidFile={base}/slurmctld.pid
SlurmdPidFile={base}/slurmd.pid
SlurmctldLogFile={base}/slurmctld.log
SlurmdLogFile={base}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobAcctGatherType=jobacct_gather/none
ReturnToService=2
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
KillWait=5
MinJobAge=300
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=2000 Gres=gpu:2 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP PriorityTier=1
PartitionName=urgent Nodes={host} MaxTime=INFINITE State=UP PriorityTier=10
"""
GPUS = """
NodeName={host} Name=gpu File=/dev/zero
NodeName={host} Name=gpu File=/dev/full
"""
until = partial(wait_until, seconds=60, pace=0.05)
"""Slurm takes its time."""


class Cluster:
    """The daemons, and what the tests do to them and with them."""

    def __init__(self) -> None:
        # Short, because a socket's path may not be longer than 107 bytes.
        self.base = Path(tempfile.mkdtemp(prefix="imgexp-slurm-"))
        self.base.chmod(0o755)
        self.conf = self.base / "slurm.conf"
        self._environ = os.environ | {"SLURM_CONF": str(self.conf), "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
        self._munged: subprocess.Popen[bytes] | None = None
        self._node: subprocess.Popen[bytes] | None = None
        self._controller: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        words = {
            "base": self.base,
            "host": socket.gethostname().partition(".")[0],
            "user": getpass.getuser(),
            "controller_port": _free_port(),
            "node_port": _free_port(),
        }
        self.conf.write_text(CONF.format(**words))
        (self.base / "gres.conf").write_text(GPUS.format(**words))
        for name in ("state", "spool", "munge/run", "munge/log", "munge/lib"):
            (self.base / name).mkdir(parents=True)
        (self.base / "munge/lib").chmod(0o700)
        (self.base / "munge/log").chmod(0o700)
        key = self.base / "munge/key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o600)
        at = self.base / "munge"
        self._munged = self._daemon(
            *("munged", "--foreground", "--force", f"--key-file={key}", f"--socket={at}/run/munge.sock"),
            *(f"--pid-file={at}/run/munged.pid", f"--log-file={at}/log/munged.log", f"--seed-file={at}/lib/seed"),
        )
        until((at / "run/munge.sock").exists)
        self.start_controller("-c")
        self._node = self._daemon("slurmd", "-D")
        until(lambda: "idle" in self.ask("sinfo", "-h", "-o", "%t", check=False))

    def start_controller(self, *more: str) -> None:
        self._controller = self._daemon("slurmctld", "-D", *more)
        until(lambda: "is UP" in self.ask("scontrol", "ping", check=False))

    def kill_controller(self) -> None:
        assert self._controller
        self._controller.kill()
        self._controller.wait()

    def saved(self) -> None:
        """Return when the controller has written down what it knows now."""
        now = time.time()
        until(lambda: (self.base / "state/job_state").stat().st_mtime > now)

    def ask(self, *words: str, check: bool = True) -> str:
        done = subprocess.run(words, capture_output=True, text=True, env=self._environ, check=check, timeout=60)
        return done.stdout

    def sbatch(self, *options: str) -> str:
        """A job that only takes room; its number."""
        output = f"--output={self.base}/out.log"
        return self.ask("sbatch", "--parsable", output, *options, "--wrap", "exec sleep 600").strip()

    def state(self, number: str) -> str:
        return self.ask("squeue", "-h", "-t", "all", "-j", number, "-o", "%T", check=False).strip()

    def clear(self) -> None:
        """End every job."""
        if self._controller and self._controller.poll() is not None:
            self.start_controller()
        self.ask("scancel", "--me", check=False)
        until(lambda: not self.ask("squeue", "-h", "--me", check=False))

    def stop(self) -> None:
        """End what was started, and nothing else."""
        with contextlib.suppress(AssertionError, subprocess.SubprocessError):
            self.clear()
        for daemon in (self._node, self._controller, self._munged):
            if daemon:
                daemon.kill()
                daemon.wait()
        # What the daemons left behind is known by the path of their configuration, which is nobody else's.
        mark = f"SLURM_CONF={self.conf}".encode()
        for pid in list_pids():
            if pid != os.getpid() and mark in read_environment(pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.base, ignore_errors=True)

    def _daemon(self, *words: str) -> subprocess.Popen[bytes]:
        with (self.base / f"{words[0]}.out").open("ab") as log:
            return subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environ,
                cwd="/",
                start_new_session=True,
            )


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
