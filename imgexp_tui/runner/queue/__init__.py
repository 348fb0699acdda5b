"""The queue of runs that wait for a place on this machine."""
