"""The metrics of a run: their table, sources, followers, snapshots, and curves."""
