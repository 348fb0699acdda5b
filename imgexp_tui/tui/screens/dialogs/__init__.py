"""Small dialogs above a screen, each of which returns one answer."""
