"""Command lines: a module for each subcommand of ``driftwise``."""
