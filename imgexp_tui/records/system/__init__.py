"""System samples of a run: CPU, GPU, memory and disk over time, and their statistics."""
