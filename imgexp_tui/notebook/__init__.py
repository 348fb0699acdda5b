"""The notebook: `experiments.toml`, its versions and their notes. Plain data and files, no terminal."""
