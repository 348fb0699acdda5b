"""Notes as styled lines: bullets, markup, search, differences, history."""
