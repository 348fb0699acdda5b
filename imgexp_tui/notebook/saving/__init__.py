"""Saves the notebook when other programs may write it too: atomic swap, three-way merge, outcome."""
