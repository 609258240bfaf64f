"""Numbers of the official JAX release of Fast Weight Layers, for the parity test beside this file.

The release is ``fwl/jax/fwl.py`` of github.com/google-research/google-research. With JAX and Flax
installed and the folder of that file at hand, this makes the numbers again:

    python tests/memory/fwl_release.py path/to/fwl/jax

For each case: the release's logits in float64, and the gradients of a random combination of them
with respect to inputs and parameters, which go through the gradients of the inner loss.
"""

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

NUMBERS = Path(__file__).with_name("fwl_release.json")
CASES = [
    {"seed": 0, "batch": 2, "length": 12, "input_size": 5, "size": 8, "words": 7, "chunks": 1},
    {"seed": 1, "batch": 2, "length": 12, "input_size": 5, "size": 8, "words": 7, "chunks": 4},
    {"seed": 2, "batch": 3, "length": 8, "input_size": 8, "size": 8, "words": 9, "chunks": 2},
]


def make(case: dict[str, int], dtype: Any = np.float64) -> dict[str, np.ndarray]:
    """Inputs, parameters and step sizes (large ones: fast weights far from the slow)."""
    random = np.random.default_rng(case["seed"])
    shape = case["batch"], case["length"]
    width, size, words = case["input_size"], case["size"], case["words"]
    made = {
        "x": random.standard_normal((*shape, width)),
        "hidden_weight": random.standard_normal((width, 4 * size)) / width**0.5,
        "hidden_bias": 0.3 * random.standard_normal(4 * size),
        "output_weight": random.standard_normal((4 * size, size)) / (4 * size) ** 0.5,
        "output_bias": 0.3 * random.standard_normal(size),
        "gain": 1.0 + 0.3 * random.standard_normal(size),
        "offset": 0.3 * random.standard_normal(size),
        "softmax_weight": random.standard_normal((size, words)),
        "softmax_bias": 0.3 * random.standard_normal(words),
        "step_sizes": random.uniform(0.1, 0.5, 3),  # of hidden layer, output layer, norm
        "combination": random.standard_normal((*shape, words)),
        "weights": (random.random(shape) < 0.8).astype(float),
    }
    made = {name: value.astype(dtype) for name, value in made.items()}
    return made | {"targets": random.integers(0, words, shape)}


def run(folder: str | Path, case: dict[str, int], dtype: Any = np.float64) -> dict[str, Any]:
    """The release's logits, and gradients of ``(combination * logits).sum()`` by name."""
    import jax

    jax.config.update("jax_enable_x64", True)
    spec = importlib.util.spec_from_file_location("fwl", Path(folder) / "fwl.py")
    assert spec is not None
    assert spec.loader is not None
    release = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(release)
    block = release.FWBlock(case["size"], case["words"], case["chunks"])
    made = {name: jax.numpy.asarray(value) for name, value in make(case, dtype).items()}
    labels = jax.nn.one_hot(made["targets"], case["words"], dtype=dtype)

    def logits(differentiable: dict[str, Any]) -> Any:
        m = differentiable
        parameters = {
            "layers_0": {"Dense_0": {"kernel": m["hidden_weight"], "bias": m["hidden_bias"]}},
            "layers_2": {"Dense_0": {"kernel": m["output_weight"], "bias": m["output_bias"]}},
            "layers_3": {"LayerNorm_0": {"scale": m["gain"], "bias": m["offset"]}},
            "unembed": {"kernel": m["softmax_weight"], "bias": m["softmax_bias"]},
            "step_size_0": m["step_sizes"][0],
            "step_size_1": jax.numpy.zeros((), dtype),  # of the activation: unused
            "step_size_2": m["step_sizes"][1],
            "step_size_3": m["step_sizes"][2],
        }
        return block.apply({"params": parameters}, m["x"], labels, made["weights"])

    def combined(differentiable: dict[str, Any]) -> tuple[Any, Any]:
        found = logits(differentiable)
        return (made["combination"] * found).sum(), found

    constants = ("combination", "weights", "targets")
    differentiable = {name: value for name, value in made.items() if name not in constants}
    both = jax.jit(jax.value_and_grad(combined, has_aux=True))
    (_, found), gradients = both(differentiable)
    return {
        "logits": np.asarray(found),
        "gradients": {name: np.asarray(value) for name, value in gradients.items()},
    }


def main() -> None:
    """Write the numbers of all cases, with 12 digits."""

    def short(values: Any) -> Any:
        if isinstance(values, dict):
            return {name: short(value) for name, value in values.items()}
        return [float(f"{value:.12g}") for value in values.flatten()]

    records = [case | short(run(sys.argv[1], case)) for case in CASES]
    NUMBERS.write_text("[\n" + ",\n".join(map(json.dumps, records)) + "\n]\n")


if __name__ == "__main__":
    main()
