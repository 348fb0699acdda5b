"""Notes as plain text: reads, imports and writes them."""
