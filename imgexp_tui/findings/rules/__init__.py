"""One small file a rule: its reasoning, its thresholds with their sources, and `find`."""
