"""Actions on versions, runs and findings, for screens and commands."""
