"""main."""


def main() -> None:
    """Run."""
