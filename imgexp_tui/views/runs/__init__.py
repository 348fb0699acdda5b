"""Runs and versions as styled lines: tables, panel, sidebar, comparisons."""
