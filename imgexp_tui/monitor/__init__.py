"""What the machine is doing: host, GPUs, and a run's own process tree. psutil and NVML only, no terminal."""
