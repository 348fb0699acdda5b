"""The shipped trainer, a process of its own: the one room that imports torch, torchvision and timm."""
