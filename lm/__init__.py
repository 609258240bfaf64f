"""Language models that keep learning while they read."""
