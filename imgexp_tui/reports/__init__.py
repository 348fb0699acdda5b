"""The notebook on its way out: markdown, JSON and CSV."""
