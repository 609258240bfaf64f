"""The package ``transformers``, which nothing but this folder needs."""

from typing import Any


def load_transformers() -> Any:
    """The module.

    Raises:
        ImportError: It is not installed; the message has the command.
    """
    try:
        import transformers
    except ImportError:
        raise ImportError(
            "models of Hugging Face need the package transformers: pip install 'driftwise[hf]'"
        ) from None
    return transformers
