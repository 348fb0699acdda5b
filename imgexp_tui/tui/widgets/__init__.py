"""Widgets: parts of screens. Each is given plain data and draws it."""
