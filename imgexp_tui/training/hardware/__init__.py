"""The machine that a training runs on: device, precision, CPU threads, and the limits of CPUs and memory."""
