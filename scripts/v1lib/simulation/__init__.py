"""Simulated recordings with a known ground truth, in the file formats of the real ones."""
