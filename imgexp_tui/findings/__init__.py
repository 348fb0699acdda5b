"""What the numbers of a run say, as sentences with evidence. Records alone; no process, no terminal."""
