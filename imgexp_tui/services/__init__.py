"""What is live in the app: threads, files and actions behind screens and commands. No Textual."""
