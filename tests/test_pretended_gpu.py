"""What reads on a GPU leaves no tensor behind on the CPU, tried where there is no GPU.

Fake tensors know their shape and device and nothing else, so that an operation on two devices fails
as it would on a GPU. Backward passes and recurrent kernels of torch ask the driver: not here.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.symbolic_shapes import ShapeEnv

from driftwise.agents.memories import MANY_SLOTS, make_memory
from driftwise.benchmarks.gpu.shrink import shrink_model
from driftwise.lm.adapters.contract import Segment
from driftwise.lm.adapters.memory import StreamMemory
from driftwise.lm.adapters.nearest_neighbours import Datastore, NearestNeighbours
from driftwise.lm.adapters.neural_cache import NeuralCache
from driftwise.lm.adapters.reader import Reader
from driftwise.lm.models import TransformerConfig, build_model
from driftwise.lm.training.gpu_recipes import GPU_RECIPES
from driftwise.lm.training.objective import Objective
from driftwise.memory import RowGatedFastWeights, SequenceMemory, SparseFastWeights

GPU = torch.device("cuda:0")
VOCABULARY = 60
# An adaptive block differentiates while it reads.
RECIPES = {
    name: recipe
    for name, recipe in GPU_RECIPES.items()
    if isinstance(recipe().model, TransformerConfig) and recipe().model.fast_block is None
}


@contextmanager
def pretended_gpu(*modules: nn.Module) -> Iterator[None]:
    """Parameters and buffers of the modules on a GPU that is not there."""
    numbers = ShapeEnv(allow_scalar_outputs=True, allow_dynamic_output_shape_ops=True)
    with FakeTensorMode(allow_non_fake_inputs=True, shape_env=numbers) as mode:
        for module in (part for whole in modules for part in whole.modules()):
            for name, tensor in module._parameters.items():
                if tensor is not None:
                    fake = mode.from_tensor(tensor.detach().clone()).to(GPU)
                    module._parameters[name] = nn.Parameter(fake)
            for name, tensor in module._buffers.items():
                if tensor is not None:
                    module._buffers[name] = mode.from_tensor(tensor.clone()).to(GPU)
        yield


def ids(*shape: int) -> Tensor:
    return torch.randint(VOCABULARY, shape, device=GPU)


def test_a_tensor_left_behind_is_found():
    class Forgetful(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) + torch.ones(3)

    layer = Forgetful(3, 3)
    with pretended_gpu(layer), pytest.raises(RuntimeError, match="at least two devices"):
        layer(torch.zeros(2, 3, device=GPU))


@pytest.mark.parametrize(
    "memory",
    [
        SparseFastWeights(6),
        SparseFastWeights(6, rule="additive", decay=True, selection="straight_through"),
        SparseFastWeights(6, address="random"),
        SparseFastWeights(6, address="product"),
        SparseFastWeights(6, num_slots=1, top_k=1),
        SparseFastWeights(6, num_reads=3),
        RowGatedFastWeights(6),
        make_memory("sparse", 6, **MANY_SLOTS),
        make_memory("none", 6, feed_forward=8),
    ],
    ids=["sparse", "options", "random", "product", "dense", "reads", "row gated", "stack", "none"],
)
@pytest.mark.filterwarnings("ignore:SparseFastWeights runs without its kernel")
def test_memories(memory: SequenceMemory):
    with pretended_gpu(memory):
        x, starts = torch.randn(4, 7, 6, device=GPU), torch.zeros(4, 7, dtype=bool, device=GPU)
        _, state = memory(x)
        y, state = memory(x, state, starts)
        assert y.device == GPU
        for start in (None, starts[:, 0]):
            y, state = memory.step(x[:, 0], state, start, in_place=start is None)
            assert y.device == GPU


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.filterwarnings("ignore:SparseFastWeights runs without its kernel")
def test_transformers_of_the_recipes(name: str):
    model = build_model(shrink_model(RECIPES[name]().model), VOCABULARY)
    objective = Objective(model, 0.0, 0.0)
    with pretended_gpu(model):
        state = None
        for starts in (None, torch.zeros(8, 16, dtype=bool, device=GPU)):
            seen = objective(ids(8, 16), ids(8, 16), starts, state)
            assert seen.loss.device == GPU
            state = seen.state


@pytest.mark.parametrize("name", ["static", "sliding", "cache", "knn"])
def test_what_reads_beside_a_model(name: str):
    model = build_model(shrink_model(RECIPES["wikitext2-transformer"]().model), VOCABULARY)
    with pretended_gpu(model):
        memories: dict[str, list[StreamMemory]] = {"cache": [NeuralCache(10)]}
        keys = torch.randn(50, model.hidden_size, device=GPU)
        memories["knn"] = [NearestNeighbours(Datastore(keys, ids(50)))]
        context = 16 if name == "sliding" else None
        reader = Reader(model, memories=memories.get(name, ()), context=context)
        reader.begin(2)
        for _ in range(3):
            starts = torch.zeros(2, 8, dtype=bool, device=GPU)
            targets = ids(2, 8)
            prediction = reader.predict(Segment(ids(2, 8), starts, ids(2, 8)))
            assert prediction.log_prob(targets).device == GPU
            reader.update(targets)
