"""Immutable models and styled lines that screens draw. No files, no threads, no Textual."""
