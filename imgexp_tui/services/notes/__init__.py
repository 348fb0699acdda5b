"""Reads, saves and watches notes and their drafts while the editor is open."""
