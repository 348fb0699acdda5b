"""What the notes were before: the history log, drafts, git, and commits of the notebook."""
