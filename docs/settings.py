"""Writes docs/settings.md from the table that the program itself uses: python docs/settings.py"""

from __future__ import annotations

from pathlib import Path

from imgexp_tui.notebook.schema.settings import SETTINGS

HEAD = """\
# Settings of the shipped trainer

They stand in `[defaults]` or `[versions.NAME.train]` of `experiments.toml`, or after `--set` on the command line. Made
from the program's own table by `python docs/settings.py`.

| setting | default | what it is |
|---|---|---|
"""


def settings_page() -> str:
    """The page as markdown."""
    rows = []
    for setting in SETTINGS.values():
        default = str(setting.default).lower() if setting.value_type is bool else setting.default
        shown = f"`{default}`" if default != "" else "none"
        choices = f": {', '.join(f'`{c}`' for c in setting.choices)}" if setting.choices else ""
        rows.append(f"| `{setting.name}` | {shown} | {setting.help}{choices} |\n")
    return HEAD + "".join(rows)


if __name__ == "__main__":
    Path(__file__).with_suffix(".md").write_text(settings_page())
