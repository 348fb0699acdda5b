"""Defines the commands of the command line, their options, and the help with its examples."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from imgexp_tui import __version__
from imgexp_tui.notebook.schema.launchers import LAUNCHERS
from imgexp_tui.reports.parts import PARTS

_CLUSTER_LAUNCHER = next(launcher.name for launcher in LAUNCHERS.values() if launcher.has_jobs)
_TOP_EXAMPLES = """\
imgexp-tui                        open the lab in this folder (or the nearest one above)
imgexp-tui run v0 --wait          train v0 and wait for its end
imgexp-tui run v0 --set batch_size=128 --seed 1
imgexp-tui list --json | jq '.[] | {name, best}'
imgexp-tui note v0 --takeaway "bs of 64 could be much bigger"
imgexp-tui export -o notebook.md
"""
_CHECK_EXAMPLES = "imgexp-tui check\nimgexp-tui check && imgexp-tui run v0 v1\n"
_LIST_EXAMPLES = """\
imgexp-tui list
imgexp-tui list --filter 'state:finished accuracy>0.6'
imgexp-tui list --json | jq '.[] | {name, best}'
"""
_RUN_HELP = "a run id, the start of one, or a version (its run under way, or its newest)"

COMMANDS = {
    "open": "open:open_app",
    "init": "notebook:init",
    "check": "notebook:check",
    "list": "notebook:list_versions",
    "find": "search:find",
    "findings": "findings:findings",
    "run": "runs:run",
    "runs": "runs:list_runs",
    "queue": "queue:queue",
    "stop": "runs:stop",
    "resume": "runs:resume",
    "logs": "runs:logs",
    "show": "show:show",
    "note": "notebook:note",
    "commit": "commit:commit",
    "ideas": "ideas:ideas",
    "rename": "versions:rename",
    "archive": "versions:archive",
    "import": "notebook:import_file",
    "export": "export:export",
    "doctor": "doctor:doctor",
}
"""Command → module of this package and function that runs it."""


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of every command; the parsed `command` is the name of the given one."""
    top = argparse.ArgumentParser(
        prog="imgexp-tui",
        description="A terminal lab notebook for image-model experiments. Without a command it opens the app.",
        epilog=f"examples:\n{_indent(_TOP_EXAMPLES)}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"imgexp-tui {__version__}")
    top.add_argument("-C", dest="lab", type=Path, metavar="DIR", default=Path(), help="the lab's folder")
    top.add_argument("--ascii", action="store_true", help="the app draws with ASCII only; for terminals that lack more")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True, title="commands")
    # The default is suppressed so that the command's own `-C` does not reset one before the command.
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("-C", dest="lab", type=Path, metavar="DIR", default=argparse.SUPPRESS, help=argparse.SUPPRESS)

    def command(name: str, help_: str, examples: str = "") -> argparse.ArgumentParser:
        return commands.add_parser(
            name,
            help=help_,
            description=help_[0].upper() + help_[1:] + ".",
            epilog=f"examples:\n{_indent(examples)}" if examples else None,
            parents=[shared],
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    _add_lab_commands(command)
    _add_note_commands(command)
    _add_version_commands(command)
    _add_exchange_commands(command)
    _add_start_commands(command)
    _add_control_commands(command)
    return top


def _add_lab_commands(add_command: Any) -> None:
    """Adds the commands that open, check and search a lab."""
    one = add_command("open", "open the app on a lab", "imgexp-tui open ~/labs/patchwork\n")
    one.add_argument("dir", nargs="?", type=Path, metavar="DIR", help="the lab's folder")
    one.add_argument("--ascii", action="store_true", default=argparse.SUPPRESS, help="draw with ASCII only")
    one = add_command("init", "start a lab: a commented experiments.toml", "imgexp-tui init ~/labs/patchwork\n")
    one.add_argument("dir", nargs="?", type=Path, metavar="DIR", help="the folder, made where it is missing")
    add_command("check", "report every problem of experiments.toml at once, exit 1 where there is one", _CHECK_EXAMPLES)
    one = add_command("list", "list the versions with state and best metric", _LIST_EXAMPLES)
    one.add_argument(
        "--filter", metavar="TEXT", help='such as "state:failed tag:seed valid/loss<0.3" (docs/formats.md)'
    )
    one.add_argument("--all", action="store_true", help="archived versions too")
    one.add_argument("--json", action="store_true", help="as JSON (docs/formats.md)")
    one = add_command(
        "find", "search the notes and configurations", "imgexp-tui find num_workers\nimgexp-tui find gpu memory\n"
    )
    one.add_argument("words", nargs="+", metavar="WORD", help="all on one line; capitals count if any is given")
    one.add_argument("--json", action="store_true", help="as JSON (docs/formats.md)")
    one = add_command(
        "findings",
        "say what the numbers of runs mean, with evidence and what to do",
        "imgexp-tui findings\nimgexp-tui findings v1 V4\n"
        "imgexp-tui findings --json | jq -r '.[].findings[].sentence'\n",
    )
    one.add_argument("what", nargs="*", metavar="V|RUN", help="versions (their newest runs) or runs; all without it")
    one.add_argument("--json", action="store_true", help="as JSON (docs/formats.md)")


def _add_note_commands(add_command: Any) -> None:
    """Adds the commands that show a version and write notes."""
    one = add_command("show", "show all there is about a version or a run", "imgexp-tui show v1\n")
    one.add_argument("what", metavar="V|RUN", help="a version, a run id or the start of one")
    one.add_argument("--json", action="store_true", help="as JSON (docs/formats.md)")
    one = add_command(
        "note",
        "write a note without opening the app",
        'imgexp-tui note v0 --takeaway "try num_workers > 0"\n',
    )
    one.add_argument("version", metavar="V", help="the version that it is about")
    which = one.add_mutually_exclusive_group(required=True)
    which.add_argument("--takeaway", metavar="TEXT", help="add one bullet to the takeaways")
    which.add_argument("--summary", metavar="TEXT", help="put this in place of the summary")
    one = add_command(
        "commit",
        "commit the notebook with git, and nothing else that is staged or changed",
        'imgexp-tui commit\nimgexp-tui commit -m "v3: what dropout did"\n',
    )
    one.add_argument("-m", dest="message", metavar="MESSAGE", default="", help="without it, what changed")
    one = add_command(
        "ideas",
        "list the open ideas of all versions: the check boxes in the notes",
        "imgexp-tui ideas\nimgexp-tui ideas --all\nimgexp-tui ideas --json | jq -r '.[].text'\n",
    )
    one.add_argument("--all", action="store_true", help="the done ones too, with where they were tried")
    one.add_argument("--json", action="store_true", help="as JSON (docs/formats.md)")


def _add_version_commands(add_command: Any) -> None:
    """Adds the commands that change versions."""
    one = add_command(
        "rename",
        "give a version another name: in the notebook, as others' base, and its runs",
        "imgexp-tui rename v3 small-conv\n",
    )
    one.add_argument("old", metavar="OLD", help="the version")
    one.add_argument("new", metavar="NEW", help="its new name")
    one = add_command(
        "archive", "put versions out of the way; nothing of them is deleted", "imgexp-tui archive v1 v2\n"
    )
    one.add_argument("names", nargs="+", metavar="V", help="the versions")
    one.add_argument("--back", action="store_true", help="bring them back")


def _add_exchange_commands(add_command: Any) -> None:
    """Adds the commands that import and export, and the doctor."""
    one = add_command(
        "import",
        "take versions and notes from a plain text file; no note is overwritten",
        "imgexp-tui import notes.txt\n",
    )
    one.add_argument("file", type=Path, metavar="FILE", help="the notes; - reads standard input")
    one = add_command(
        "export",
        "write the notebook out: a page with plots, the plain notes, or the data",
        "imgexp-tui export -o notebook.md\nimgexp-tui export v0 v1 -o report.html\n"
        "imgexp-tui export --parts comparison,plots,takeaways -o short.md\nimgexp-tui export -o runs.csv\n",
    )
    one.add_argument("names", nargs="*", metavar="V", help="these versions only")
    one.add_argument("--versions", action="append", default=[], metavar="V,V", help="the same as a list")
    one.add_argument("--parts", metavar="P,P", help=f"of a page: {', '.join(PARTS)}; all without it")
    one.add_argument("-o", dest="output", type=Path, metavar="FILE", help="where to; standard output without it")
    one.add_argument(
        "--format",
        choices=("markdown", "html", "plain", "json", "csv"),
        help="without it by FILE's ending: .html, .json, .csv, else markdown",
    )
    add_command("doctor", "say what this machine has, and what would get in the way", "imgexp-tui doctor\n")


def _add_start_commands(add_command: Any) -> None:
    """Adds the commands that start and list runs."""
    one = add_command(
        "run",
        "start training, or put it into the queue; it goes on when you log out",
        "imgexp-tui run v0\nimgexp-tui run v0 v1 v2 --wait\nimgexp-tui run v0 --seeds 3\n"
        "imgexp-tui run v0 --set epochs=2 --set data=~/photos.zip\n"
        f"imgexp-tui run V5 --gpus 2 --launcher {_CLUSTER_LAUNCHER}\n",
    )
    one.add_argument("versions", nargs="+", metavar="V", help="the versions to train, in this order")
    one.add_argument("--set", dest="set", action="append", default=[], metavar="KEY=VALUE", help="a setting to change")
    one.add_argument("--seed", type=int, metavar="N", help="the seed, in place of the notebook's")
    one.add_argument("--seeds", type=int, metavar="N", help="N runs of each that differ in their seed, as one group")
    one.add_argument("--gpus", type=int, metavar="N", help="GPUs that each run takes, in place of the notebook's")
    one.add_argument("--gpu-memory", metavar="SIZE", help='memory that must be free on each, such as "8 GB"')
    one.add_argument("--launcher", metavar="NAME", help=f"{' or '.join(LAUNCHERS)}, in place of the notebook's")
    one.add_argument("--wait", action="store_true", help="until all have ended; exit 1 if one failed")
    one = add_command("runs", "list runs, newest first", "imgexp-tui runs\nimgexp-tui runs v0 --json\n")
    one.add_argument("version", nargs="?", metavar="V", help="of this version only")
    one.add_argument("--json", action="store_true", help="as JSON (docs/formats.md)")
    one = add_command(
        "queue",
        "list what runs and what waits on this machine, or move a run that waits",
        "imgexp-tui queue\nimgexp-tui queue v3 --first\n",
    )
    one.add_argument("run", nargs="?", metavar="RUN", help="a run that waits: an id, the start of one, or a version")
    position = one.add_mutually_exclusive_group()
    for word, offset in (("first", -(10**6)), ("up", -1), ("down", 1), ("last", 10**6)):
        position.add_argument(f"--{word}", dest="places", action="store_const", const=offset, help=f"move it {word}")
    one.add_argument("--json", action="store_true", help="as JSON (docs/formats.md)")


def _add_control_commands(add_command: Any) -> None:
    """Adds the commands that stop, resume and follow a run."""
    one = add_command("stop", "stop a run: checkpoint, then end", "imgexp-tui stop v0\n")
    one.add_argument("run", metavar="RUN", help=_RUN_HELP)
    one = add_command(
        "resume", "go on from a run's last checkpoint", "imgexp-tui resume v0\nimgexp-tui resume v0 --wait\n"
    )
    one.add_argument("run", metavar="RUN", help=_RUN_HELP)
    one.add_argument("--wait", action="store_true", help="until it has ended; exit 1 if it failed")
    one = add_command("logs", "print what a run printed", "imgexp-tui logs v0\nimgexp-tui logs v0 -f\n")
    one.add_argument("run", metavar="RUN", help=_RUN_HELP)
    one.add_argument("-f", dest="follow", action="store_true", help="and go on until the run ends")


def _indent(text: str) -> str:
    return "".join(f"  {line}\n" for line in text.splitlines())
