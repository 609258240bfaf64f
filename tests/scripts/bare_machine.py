"""``driftwise`` as on a machine that has torch, numpy, safetensors, tensorboard and tqdm alone.

What else this package asks for cannot be found here, as if it were not installed.
"""

import sys
from importlib.machinery import PathFinder

MISSING = {
    *("gymnasium", "stable_baselines3", "tyro", "tokenizers", "scipy", "matplotlib"),
    *("torchvision", "transformers", "datasets", "minigrid", "sb3_contrib", "hypothesis"),
}


class Without(PathFinder):
    """Finds all modules but those."""

    @classmethod
    def find_spec(cls, fullname, path=None, target=None):
        if fullname.partition(".")[0] in MISSING:
            return None
        return super().find_spec(fullname, path, target)


if __name__ == "__main__":
    sys.meta_path[sys.meta_path.index(PathFinder)] = Without
    from driftwise.scripts.main import main

    main()
    loaded = {name.partition(".")[0] for name in sys.modules}
    assert not loaded & MISSING, loaded & MISSING
