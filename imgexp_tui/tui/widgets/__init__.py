"""The parts of screens: each takes plain data and draws it."""
