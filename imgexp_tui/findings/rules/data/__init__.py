"""Rules that judge the images that the trainer used: validation that is not like for like, repeated random numbers."""
