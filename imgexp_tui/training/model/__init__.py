"""The model: encoders, their pretrained weights, and the head."""
