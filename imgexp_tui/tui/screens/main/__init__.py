"""The main screen: the version table, the panes beside it, and their keys."""
