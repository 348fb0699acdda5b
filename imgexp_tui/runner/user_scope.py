"""What logging out does to runs: systemd-logind may end every process of a user who leaves.

Where it does (man 5 logind.conf, KillUserProcesses and its exceptions), a run has to live in a scope of the user's own
manager, and that manager has to go on without a login (man 1 loginctl, enable-linger).
"""

from __future__ import annotations

import getpass
import os
import secrets
import shutil
import subprocess
from pathlib import Path

_SYSTEMD_FOLDER = Path("/run/systemd/system")
_LINGER_FOLDER = Path("/var/lib/systemd/linger")
_COMMAND_TIMEOUT = 5.0
FIX_HINT = "mend: loginctl enable-linger (an administrator may have to do it), then start the run again"


def logout_ends_processes() -> bool:
    """Whether this user's processes end at logout, unless they live in a scope of the user's manager."""
    if not _SYSTEMD_FOLDER.is_dir() or _logind_property("KillUserProcesses") != ["b", "true"]:
        return False
    me, only = getpass.getuser(), _logind_property("KillOnlyUsers")[2:]
    return me not in _logind_property("KillExcludeUsers")[2:] and (not only or me in only)


def has_linger() -> bool:
    """Whether this user's manager goes on without a login."""
    return (_LINGER_FOLDER / getpass.getuser()).exists()


def scope_command() -> list[str]:
    """The words before a command that has to outlive the login; [] where it does anyway or where that is not allowed.

    Lingering is switched on where it is off and the machine lets its users do so.
    """
    if not logout_ends_processes() or not shutil.which("systemd-run"):
        return []
    if not has_linger():
        _output_of("loginctl", "--no-ask-password", "enable-linger")
    if not has_linger():
        return []
    unit = f"--unit=imgexp-tui-{secrets.token_hex(4)}"
    return ["systemd-run", "--user", "--scope", "--quiet", "--collect", unit, "--"]


def logout_warning() -> str:
    """A sentence where this very process will not outlive the login; "" where it will."""
    if not logout_ends_processes() or (_is_in_user_manager() and has_linger()):
        return ""
    return f"systemd ends your processes at logout here, this run among them; {FIX_HINT}"


def _logind_property(name: str) -> list[str]:
    """A property of logind in the words that busctl prints: its type, the count of an array, its values."""
    where = ("org.freedesktop.login1", "/org/freedesktop/login1", "org.freedesktop.login1.Manager")
    return [word.strip('"') for word in _output_of("busctl", "get-property", *where, name).split()]


def _is_in_user_manager() -> bool:
    """Whether this process lives below `user@UID.service` rather than in the login's own scope."""
    try:
        return f"/user@{os.getuid()}.service/" in Path("/proc/self/cgroup").read_text()
    except OSError:
        return False


def _output_of(*command: str) -> str:
    """What a command printed; "" where it failed, is not there or does not answer in time."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_COMMAND_TIMEOUT, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout
