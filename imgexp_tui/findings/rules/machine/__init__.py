"""Rules that judge how the run uses its machine: data loading, GPU, memory and disk, and whether it still runs."""
