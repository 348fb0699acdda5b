"""Starting runs, watching over them, stopping and resuming them. Everything else learns of it through files."""
