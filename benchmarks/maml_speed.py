"""How fast is meta-learning: all tasks at once, one after another, and by other libraries?

    driftwise results run maml_speed --jobs 1     # needs the extra `peers`; some of it a GPU

Every cell is a process with one thread that makes meta-updates for about ten seconds; a seed is a
repeat, and the rows of one seed run directly after one another. All contestants do the same work on
the same network and images of the same size, with the same allocator. learn2learn 0.2 does not
build any more and is not among them.

``default`` and ``second_order`` are updates of MAML: four 5-way 1-shot episodes of 28 x 28 pixels,
Conv4 of 32 channels, 5 inner steps, 15 queries a class, Adam. ``la_maml`` are updates of La-MAML's
network (784-100-100-10): ten inner steps on one image each, after each of which the loss of twenty
is taken, for five seeds; it counts the updates of all of them. ``gpu`` and ``la_maml_gpu`` are the
first and the last of these on a GPU.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from driftwise.agents.allocator import keep_freed_memory
from driftwise.agents.few_shot import Conv4, FewShotConfig, FewShotLearner
from driftwise.envs.image_streams import FewShotEpisode
from driftwise.memory import Parameters, UpdateMask, functional, inner_step
from driftwise.tracking import Result, SkipCell

SECONDS = 10.0
TASKS, STEPS, WAYS, QUERIES, WIDTH, RATE = 4, 5, 5, 15, 32, 0.1
SEEDS = 5
SETTINGS = ("default", "second_order", "la_maml", "gpu", "la_maml_gpu")
ROWS = ("looped", "vmapped", "higher", "torchopt")
Update = Callable[[], Any]


def run(row: str, setting: str, seed: int) -> Mapping[str, Any]:
    """Time one contestant."""
    torch.set_num_threads(1)
    keep_freed_memory()  # for all contestants alike
    torch.manual_seed(seed)
    device = "cuda" if setting.endswith("gpu") else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise SkipCell("no CUDA device")
    updates_a_call = 1
    if setting.startswith("la_maml"):
        update, updates_a_call = _la_maml(row == "vmapped", device), SEEDS
    elif row in ("looped", "vmapped"):
        update = _ours(setting == "second_order", row == "vmapped", device)
    else:
        update = PEERS[row](setting != "second_order")
    # One thread's processor time is what a quiet machine would take.
    clock = time.process_time if device == "cpu" else time.perf_counter
    return {"updates_per_s": updates_a_call * _calls_per_s(update, clock)}


def _calls_per_s(update: Update, clock: Callable[[], float]) -> float:
    for _ in range(3):
        update()
    _wait()
    begin, calls = clock(), 0
    while (elapsed := clock() - begin) < SECONDS:
        update()
        _wait()
        calls += 1
    return calls / elapsed


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _episodes() -> list[FewShotEpisode]:
    """Images of noise: what is on them does not matter for speed."""
    labels, asked = (torch.arange(WAYS).repeat_interleave(n) for n in (1, QUERIES))
    parts = [
        (torch.rand(len(labels), 28, 28), labels, torch.rand(len(asked), 28, 28), asked)
        for _ in range(TASKS)
    ]
    return [FewShotEpisode(*(part.numpy() for part in episode)) for episode in parts]


def _ours(second_order: bool, vmapped: bool, device: str) -> Update:
    learner = FewShotLearner(
        FewShotConfig(
            method="maml",
            width=WIDTH,
            inner_lr=RATE,
            inner_steps=STEPS,
            first_order=not second_order,
            vmapped=vmapped,
            device=device,
        )
    )
    episodes = _episodes()
    return lambda: learner.update(episodes)


def _tensors() -> list[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """The same episodes, ready for the network."""
    parts = [tuple(map(torch.from_numpy, episode)) for episode in _episodes()]
    return [(x[:, None], y, queries[:, None], asked) for x, y, queries, asked in parts]


def _higher(first_order: bool) -> Update:
    try:
        import higher
    except ImportError as error:
        raise SkipCell(f"higher is missing: {error}") from None
    # The network as ours, and as fast.
    net = Conv4(WAYS, WIDTH, channels_last=True)
    inner, outer = torch.optim.SGD(net.parameters(), RATE), torch.optim.Adam(net.parameters(), 1e-3)
    episodes = _tensors()

    def update() -> None:
        outer.zero_grad()
        for x, y, queries, asked in episodes:
            options = {"copy_initial_weights": False, "track_higher_grads": not first_order}
            with higher.innerloop_ctx(net, inner, **options) as (fast, descent):
                for _ in range(STEPS):
                    descent.step(F.cross_entropy(fast(x), y))
                loss = F.cross_entropy(fast(queries), asked)
                if not first_order:
                    loss.backward()
                    continue
                # Its way to the first order: nothing leads back, the gradient is put in place.
                found = torch.autograd.grad(loss, list(fast.parameters()))
                for p, g in zip(net.parameters(), found, strict=True):
                    p.grad = g if p.grad is None else p.grad + g
        outer.step()

    return update


def _torchopt(first_order: bool) -> Update:
    try:
        import torchopt
    except ImportError as error:
        raise SkipCell(f"torchopt is missing: {error}") from None
    assert not first_order
    net = Conv4(WAYS, WIDTH, channels_last=True)
    inner, outer = torchopt.MetaSGD(net, lr=RATE), torch.optim.Adam(net.parameters(), 1e-3)
    episodes = _tensors()

    def update() -> None:
        outer.zero_grad()
        start, begin = (torchopt.extract_state_dict(part, by="reference") for part in (net, inner))
        for x, y, queries, asked in episodes:
            for _ in range(STEPS):
                inner.step(F.cross_entropy(net(x), y))
            F.cross_entropy(net(queries), asked).backward()
            torchopt.recover_state_dict(net, start)
            torchopt.recover_state_dict(inner, begin)
        outer.step()

    return update


PEERS: dict[str, Callable[[bool], Update]] = {"higher": _higher, "torchopt": _torchopt}


def _la_maml(vmapped: bool, device: str) -> Update:
    """First-order La-MAML without its memory and clipping: the gradients, and both steps."""
    layers = ((784, 100), (100, 100), (100, 10))
    nets = [_mlp(layers).to(device) for _ in range(SEEDS)]
    rates = [UpdateMask(net, "relu", inner_lr=0.1) for net in nets]
    x = torch.rand(SEEDS, 20, 784, device=device)
    y = torch.randint(10, (SEEDS, 20), device=device)
    forward = functional(nets[0])

    def loss(parameters: Parameters, images: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(forward(parameters, images), labels)

    def sizes_of(learned: Parameters) -> Any:
        return torch.func.functional_call(rates[0], learned, ())

    def update(theta: Parameters, learned: Parameters, *data: Tensor) -> None:
        images, labels = data
        if vmapped:
            sizes, losses = torch.func.vmap(sizes_of)(learned), torch.func.vmap(loss)
        else:
            sizes, losses = sizes_of(learned), loss
        fast, total = theta, torch.zeros((), device=device)
        for i in range(10):
            one = (part.narrow(int(vmapped), i, 1) for part in (images, labels))
            fast = inner_step(loss, fast, sizes, *one, vmapped=vmapped)
            total = total + losses(fast, images, labels).sum() / 10
        tensors = [*theta.values(), *learned.values()]
        gradients = torch.autograd.grad(total, tensors)
        with torch.no_grad():
            for p, g in zip(tensors, gradients, strict=True):
                p -= 1e-3 * g

    if vmapped:
        weights, _ = torch.func.stack_module_state(nets)
        learned, _ = torch.func.stack_module_state(list(rates))
        return lambda: update(weights, learned, x, y)

    own: list[tuple[Parameters, Parameters]] = [
        (dict(net.named_parameters()), dict(mask.named_parameters()))
        for net, mask in zip(nets, rates, strict=True)
    ]

    def one_by_one() -> None:
        for pair, *data in zip(own, x, y, strict=True):
            update(*pair, *data)

    return one_by_one


def _mlp(layers: tuple[tuple[int, int], ...]) -> nn.Module:
    parts: list[nn.Module] = []
    for inputs, outputs in layers:
        parts += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*parts[:-1])


def config(row: str, setting: str) -> Mapping[str, Any] | None:
    """What decides the numbers of a cell."""
    if row in PEERS and setting not in ("default", "second_order"):
        return None
    if row == "torchopt" and setting != "second_order":  # it has no first order
        return None
    sizes = [TASKS, STEPS, WAYS, QUERIES, WIDTH, RATE, SEEDS]
    return {"sizes": sizes, "seconds": SECONDS, "version": 3}


RESULT = Result(
    name="maml_speed",
    command="driftwise results run maml_speed --jobs 1",
    protocol="Meta-updates per second of processor time of one thread (gpu: of wall time). default "
    "and second_order: MAML, four 5-way 1-shot episodes of 28 x 28 pixels, Conv4 of 32 channels, 5 "
    "inner steps, 15 queries a class, Adam. la_maml: 784-100-100-10, ten inner steps of one image "
    "each, a loss of twenty images after each, first order, five seeds, updates of all of them "
    "counted. vmapped: all tasks, or seeds, at once. Repeats in place of seeds.",
    rows=list(ROWS),
    settings=list(SETTINGS),
    seeds=list(range(5)),
    run=run,
    config=config,
    packages=("higher", "torchopt"),
)
