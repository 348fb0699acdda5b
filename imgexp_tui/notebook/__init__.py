"""The notebook `experiments.toml`: its versions, their settings and notes. Plain data and files, no terminal.

`load` reads it and `model` has the result. `schema/` declares what may stand in it, `toml/` edits its text, `saving/`
writes it, `history/` keeps what it said before, `plain/` imports and exports plain-text notes, `ideas/` has the check
boxes in notes.
"""
