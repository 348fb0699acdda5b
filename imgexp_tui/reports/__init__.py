"""Exports the notebook: pages with plots (markdown, HTML), tables (JSON, CSV), comparisons of versions."""
