"""Widgets that others build on: styled views, list panes, footer, checkbox, and the runner of actions."""
