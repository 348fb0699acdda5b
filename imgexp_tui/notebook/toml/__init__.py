"""Edits the notebook's TOML text in place, and reads text that is not valid TOML as far as possible."""
