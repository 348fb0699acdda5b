"""What the machine is doing: host, GPUs, and one run's processes. Samples only; nothing is kept or written here."""
