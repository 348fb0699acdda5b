"""Holds the queue of runs that wait for GPUs of this machine; `scheduler.py` decides which run starts next."""
