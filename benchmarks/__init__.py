"""Measurements of speed and quality, each of which writes a file in ``results/``."""
