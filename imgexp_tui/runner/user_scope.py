"""Keeps runs alive after logout where systemd-logind ends the processes of users who log out.

Where it does so (man 5 logind.conf, KillUserProcesses and its exceptions), a run needs a scope of the user's own
systemd manager, and that manager has to continue without a login (man 1 loginctl, enable-linger).
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
    """Returns whether this user's processes end at logout unless they are in a scope of the user's manager."""
    if not _SYSTEMD_FOLDER.is_dir() or _logind_property("KillUserProcesses") != ["b", "true"]:
        return False
    me, only = getpass.getuser(), _logind_property("KillOnlyUsers")[2:]
    return me not in _logind_property("KillExcludeUsers")[2:] and (not only or me in only)


def has_linger() -> bool:
    """Returns whether this user's manager continues without a login."""
    return (_LINGER_FOLDER / getpass.getuser()).exists()


def scope_command() -> list[str]:
    """Returns the prefix of a command that has to outlive the login; [] if none is needed or lingering is not allowed.

    Lingering is switched on if it is off and the machine permits that.
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
    """Returns a warning if this process will not outlive the login; "" otherwise."""
    if not logout_ends_processes() or (_is_in_user_manager() and has_linger()):
        return ""
    return f"systemd ends your processes at logout here, this run among them; {FIX_HINT}"


def _logind_property(name: str) -> list[str]:
    """Returns a logind property as busctl prints it: its type, the length if it is an array, its values."""
    where = ("org.freedesktop.login1", "/org/freedesktop/login1", "org.freedesktop.login1.Manager")
    return [word.strip('"') for word in _output_of("busctl", "get-property", *where, name).split()]


def _is_in_user_manager() -> bool:
    """Returns whether this process is below `user@UID.service` rather than in the login's scope."""
    try:
        return f"/user@{os.getuid()}.service/" in Path("/proc/self/cgroup").read_text()
    except OSError:
        return False


def _output_of(*command: str) -> str:
    """Returns what a command printed; "" if it failed, is missing or timed out."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_COMMAND_TIMEOUT, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout
