"""The state of the global random generators, as a plain tree that a checkpoint can hold."""

import random
import sys
from typing import Any

import numpy as np


def rng_state() -> dict[str, Any]:
    """Return the state of the global generators of Python, NumPy (legacy) and torch.

    torch's (CPU, and every CUDA device once CUDA is in use) are there if torch has been
    imported. `numpy.random.Generator` objects belong to whoever made them: put
    ``generator.bit_generator.state`` into the checkpoint beside this.
    """
    version, words, gauss = random.getstate()
    name, keys, position, has_gauss, cached = np.random.get_state(legacy=True)  # noqa: NPY002
    state: dict[str, Any] = {
        "python": {"version": version, "words": np.array(words, np.uint32), "gauss": gauss},
        "numpy": {
            "bit_generator": name,
            "keys": np.array(keys),
            "position": int(position),
            "has_gauss": int(has_gauss),
            "cached_gaussian": float(cached),
        },
    }
    torch = sys.modules.get("torch")
    if torch is not None:
        state["torch"] = torch.get_rng_state()
        if torch.cuda.is_available() and torch.cuda.is_initialized():
            state["cuda"] = torch.cuda.get_rng_state_all()
    return state


def set_rng_state(state: dict[str, Any]) -> None:
    """Set the global generators to what `rng_state` returned.

    CUDA states are set where there are as many devices as there were, and left alone otherwise.
    """
    python, legacy = state["python"], state["numpy"]
    words = tuple(int(word) for word in python["words"])
    random.setstate((python["version"], words, python["gauss"]))
    np.random.set_state(  # noqa: NPY002
        (
            legacy["bit_generator"],
            legacy["keys"],
            legacy["position"],
            legacy["has_gauss"],
            legacy["cached_gaussian"],
        )
    )
    if "torch" in state:
        import torch

        torch.set_rng_state(state["torch"])
        if torch.cuda.is_available() and torch.cuda.device_count() == len(state.get("cuda", [])):
            torch.cuda.set_rng_state_all(state["cuda"])
