"""Whether kernels run."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

_wanted = os.environ.get("DRIFTWISE_KERNELS", "1") != "0"


def kernels_wanted() -> bool:
    """False within :func:`without_kernels`, or where ``DRIFTWISE_KERNELS`` is 0."""
    return _wanted


@contextmanager
def without_kernels() -> Iterator[None]:
    """A context in which torch code runs in the place of every kernel, in all threads."""
    global _wanted
    before, _wanted = _wanted, False
    try:
        yield
    finally:
        _wanted = before
