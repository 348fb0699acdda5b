"""The note editor: text area, document, wrapping, and find bar."""
