"""Evaluates findings in the background."""
