"""Rules that judge how the model learns: losses, gradients, learning rate, and when training stopped."""
