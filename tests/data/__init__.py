"""The files that tests read: the researcher's notes, a zip of images, screens as they should look."""

from pathlib import Path

FOLDER = Path(__file__).parent
NOTES = FOLDER / "notes_v0_v5.txt"
"""The researcher's own notes that the project grew from."""
IMAGES = FOLDER / "images.zip"
"""Images without suffixes, flat, without a split; `make_images` made it and knows how many."""
SCREENS = FOLDER / "screens"
"""What a small terminal shows, to the letter."""
