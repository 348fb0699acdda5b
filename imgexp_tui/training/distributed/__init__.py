"""Several processes that do one training together, and how they report their end."""
