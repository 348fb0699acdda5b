"""Ideas in the notes: lists of checkboxes, what they are, and how they are ticked."""
