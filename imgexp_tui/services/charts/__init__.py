"""Prepares curves for the charts, in threads."""
