"""Images for training and validation: data sets, decoding, random transforms (augmentation), and batches."""
