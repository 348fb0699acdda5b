"""Starts, supervises, stops and resumes runs. The rest of the program reads the files that this writes."""
