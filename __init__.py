"""driftwise: learning in a world that changes.

Importing the package is light: it registers the environments under ``driftwise/...`` where
gymnasium is installed, and imports no torch. Where gymnasium is missing (a machine that only
trains language models), nothing is registered and everything else works.
"""

from importlib.util import find_spec

__version__ = "0.1.0"

if find_spec("gymnasium") is not None:
    from .envs import register_envs

    register_envs()
