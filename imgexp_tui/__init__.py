"""A terminal lab notebook for image-model experiments."""

__version__ = "0.1.0"
