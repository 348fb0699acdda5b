"""Samples the machine: host, GPUs, and the processes of one run. Stores and writes nothing."""
