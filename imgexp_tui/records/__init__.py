"""Run directories: the request, state, metrics and end of a run. Files only."""
