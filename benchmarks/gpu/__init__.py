"""Runs of record on one large GPU: ``driftwise gpu-run``."""
