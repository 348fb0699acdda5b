"""The machine, its processes and the queue as styled lines."""
