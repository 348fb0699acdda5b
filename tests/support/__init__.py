"""What several test modules share: made-up runs, real small ones, terminals, a Slurm of one node."""
