"""The validation at the end of an epoch: metrics and predictions of all validation images."""
