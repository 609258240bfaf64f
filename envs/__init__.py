"""envs."""


def register_envs() -> None:
    """Register."""
