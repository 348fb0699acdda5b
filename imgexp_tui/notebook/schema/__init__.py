"""What the notebook's tables may hold: settings, commands, resources, metrics and alerts, with their limits."""
