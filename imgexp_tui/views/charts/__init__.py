"""Charts as styled lines: axes, curves, plots and sparklines."""
