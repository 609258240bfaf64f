"""Is what runs on a device right? Every fast form against a reference in float64 on the CPU.

On a GPU these are ``pytest -m gpu`` and the first stage of ``driftwise gpu-run A``; small ones run
on the CPU with all other tests. Compiled code is compiled by Inductor on a GPU; on a CPU only its
graph is made, and run as it is.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from driftwise.benchmarks.gpu.comparing import VOCABULARY, Size, Tensors, Where, errors, shaken
from driftwise.benchmarks.gpu.rule_checks import dynamic_evaluation, hebbian_softmax, muon
from driftwise.lm.losses import AdaptiveSoftmax, FullSoftmax, SoftmaxConfig, SoftmaxHead
from driftwise.lm.models import (
    DropoutConfig,
    LSTMConfig,
    TransformerConfig,
    build_model,
)
from driftwise.lm.models.attention import rotary_table
from driftwise.lm.models.transformer import Block
from driftwise.memory import (
    GRU,
    LSTM,
    FastWeightLayer,
    SequenceMemory,
    SparseFastWeights,
    TargetMemory,
    without_kernels,
)
from driftwise.memory.comparison import named
from driftwise.memory.delta_rule import Writes, chunked, sequential

HALF, SINGLE, DOUBLE = torch.bfloat16, torch.float32, torch.float64
LIMITS = {DOUBLE: 1e-9, SINGLE: 2e-5, HALF: 0.08}


class Check(NamedTuple):
    """A check.

    Attributes:
        run: From a device with a precision, and a size, to relative errors by name.
        limits: The largest error allowed, in the precisions that the check is for.
    """

    run: Callable[[Where, Size], dict[str, float]]
    limits: Mapping[torch.dtype, float] = LIMITS


def worst_error(name: str, where: Where, size: Size | None = None) -> tuple[str, float]:
    """Run a check by its name, on always the same random numbers: what is worst, and how bad."""
    torch.manual_seed(0)
    found = CHECKS[name].run(where, size or Size())
    # What is not a number is worst of all.
    return max(found.items(), key=lambda item: math.inf if math.isnan(item[1]) else item[1])


def _starts(size: Size) -> Tensor:
    return torch.rand(size.rows, size.length) < 5 / size.length


def _sequence(
    make: Callable[[int], SequenceMemory], kernels: bool = False
) -> Callable[[Where, Size], dict[str, float]]:
    """A whole sequence against a loop over steps, with resets; in chunks, or by a kernel."""

    def run(where: Where, size: Size) -> dict[str, float]:
        memory, starts = shaken(make(size.width)), _starts(size)

        def loop(m: Any, x: Tensor) -> Tensors:
            with without_kernels():
                return named(*SequenceMemory.forward(m, x, None, starts))

        def fast(m: Any, x: Tensor) -> Tensors:
            with contextlib.nullcontext() if kernels else without_kernels():
                return named(*m(x, None, starts.to(x.device)))

        given = [torch.randn(size.rows, size.length, size.width)]
        return errors(where, memory, loop, fast, given)

    return run


def _sparse(**options: Any) -> Callable[[int], SequenceMemory]:
    sizes: dict[str, Any] = {
        "num_heads": 2,
        "num_slots": 8,
        "key_size": 8,
        "value_size": 8,
        "chunk_size": 16,
    }
    return lambda width: SparseFastWeights(width, **sizes, **options)


def _delta_rule(where: Where, size: Size) -> dict[str, float]:
    """The recurrence by itself: below a network, half precision may select other slots."""
    heads, slots, width = 2, 6, 8
    shape = (size.rows, size.length, heads)

    def address() -> Tensor:
        logits = torch.randn(*shape, slots)
        kept = logits >= logits.topk(2, -1).values[..., -1:]
        return logits.exp() * kept / (logits.exp() * kept).norm(dim=-1, keepdim=True)

    def unit() -> Tensor:
        return nn.functional.normalize(torch.randn(*shape, width), dim=-1)

    parts = [unit(), address(), torch.randn(*shape, width), torch.rand(shape), unit(), address()]
    decay = -0.1 * torch.rand(shape)
    initial = torch.randn(heads, slots, width, width)
    before = torch.randn(size.rows, *initial.shape)
    starts = _starts(size)

    def with_form(form: Callable[..., Any]) -> Callable[..., Tensors]:
        def run(_: nn.Module, initial: Tensor, before: Tensor, *parts: Tensor) -> Tensors:
            found = form(Writes(*parts), before, initial, starts.to(initial.device))
            return dict(zip(("reads", "errors", "weights"), found, strict=True))

        return run

    given = [initial, before, *parts, decay]
    return errors(where, nn.Module(), with_form(sequential), with_form(chunked), given)


def _fast_weight_layer(**options: Any) -> Callable[[Where, Size], dict[str, float]]:
    """Chunks of attention against reads and writes, position by position."""

    def run(where: Where, size: Size) -> dict[str, float]:
        head = FullSoftmax(size.width, VOCABULARY)
        # Steps so large that half of what comes out is what was learned on the way.
        layer = FastWeightLayer(size.width, head=head, initial_step_size=0.02, **options)
        targets, starts = torch.randint(VOCABULARY, (size.rows, size.length)), _starts(size)
        return errors(
            where,
            shaken(layer),
            lambda m, x: named(*TargetMemory.forward(m, x, targets, None, None, starts)),
            lambda m, x: named(*m(x, targets.to(x.device), None, None, starts.to(x.device))),
            [torch.randn(size.rows, size.length, size.width)],
        )

    return run


def _softmax(cutoffs: tuple[int, ...], compile: bool = False) -> Any:
    """Losses in chunks, or compiled, against the log-probabilities of all words."""

    def run(where: Where, size: Size) -> dict[str, float]:
        options: dict[str, Any] = {"logit_cap": 10.0}
        if not compile:
            options["max_logits"] = 7 * VOCABULARY
        head: SoftmaxHead
        if cutoffs:
            head = AdaptiveSoftmax(size.width, VOCABULARY, cutoffs, div_value=2.0, **options)
        else:
            head = FullSoftmax(size.width, VOCABULARY, **options)
        targets = torch.randint(VOCABULARY, (size.rows * size.length,))

        def reference(m: Any, h: Tensor) -> Tensors:
            return {"loss": -m.log_probs(h).gather(1, targets[:, None])}

        def fast(m: Any, h: Tensor) -> Tensors:
            loss = _compiled(m.loss, h) if compile else m.loss
            return {"loss": loss(h, targets.to(h.device)).unsqueeze(1)}

        return errors(where, head, reference, fast, [torch.randn(len(targets), size.width)])

    return run


def _compiled(function: Callable[..., Any], like: Tensor) -> Callable[..., Any]:
    backend = "inductor" if like.device.type == "cuda" else "aot_eager"
    return torch.compile(function, fullgraph=True, backend=backend)


def _block(where: Where, size: Size) -> dict[str, float]:
    """A compiled block of a Transformer against the block as it is."""
    block = shaken(Block(size.width, 2, size.length, DropoutConfig()))

    def run(m: Any, x: Tensor, call: Callable[..., Any]) -> Tensors:
        y, after = call(x, rotary_table(size.length, size.width // 2, x), None, None)
        return {"y": y, "keys": after.keys, "values": after.values}

    given = [torch.randn(size.rows, size.length, size.width)]
    return errors(
        where, block, lambda m, x: run(m, x, m), lambda m, x: run(m, x, _compiled(m, x)), given
    )


def _transformer(where: Where, size: Size) -> dict[str, float]:
    """A text in one piece, without masks, and cut in two with the state carried."""
    softmax = SoftmaxConfig(cutoffs=(10, 30), div_value=2.0)
    config = TransformerConfig(2, size.width, 2, size.length, size.length, softmax=softmax)
    model = shaken(build_model(config, VOCABULARY))
    with torch.no_grad():  # rows so short that what keeps a norm from dividing by zero would show
        for rows in model.head.row_weights:
            rows.mul_(size.width)
    ids = torch.randint(VOCABULARY, (size.rows, size.length))
    half = size.length // 2

    def whole(m: Any, ids: Tensor) -> Tensors:
        y, _ = m(ids)
        return {"first": y[:, :half], "second": y[:, half:]}

    def pieces(m: Any, ids: Tensor) -> Tensors:
        first, state = m(ids[:, :half])
        return {"first": first, "second": m(ids[:, half:], state)[0]}

    found = {}
    for name, run in (("whole", whole), ("pieces", pieces)):
        for part, error in errors(where, model, whole, run, [ids]).items():
            found[f"{name}: {part}"] = error
        model = model.cpu().float()
    return found


EXACT = {dtype: limit for dtype, limit in LIMITS.items() if dtype != HALF}
ROUNDED = {SINGLE: 0.05}  # computes in bfloat16 inside, whatever comes in

CHECKS = {
    "sparse fast weights": Check(_sequence(_sparse()), EXACT),
    "sparse fast weights with decay": Check(_sequence(_sparse(decay=True)), EXACT),
    "sparse fast weights by a kernel": Check(_sequence(_sparse(), kernels=True), EXACT),
    "additive sparse fast weights": Check(_sequence(_sparse(rule="additive")), EXACT),
    "delta rule in chunks": Check(_delta_rule),
    "fast weight layer in chunks": Check(_fast_weight_layer(chunk_size=32)),
    "fast weight layer at once": Check(_fast_weight_layer(chunk_size=None)),
    "narrow fast weight layer": Check(_fast_weight_layer(size=16, residual=True, chunk_size=32)),
    "fast weight layer of first order": Check(_fast_weight_layer(second_order=False)),
    "LSTM": Check(_sequence(lambda width: LSTM(width, width))),
    "GRU": Check(_sequence(lambda width: GRU(width, width))),
    "softmax in chunks": Check(_softmax(())),
    "adaptive softmax in chunks": Check(_softmax((10, 30))),
    "compiled adaptive softmax": Check(_softmax((10, 30), compile=True)),
    "compiled block": Check(_block),
    "Transformer in pieces": Check(_transformer),
    "dynamic evaluation of an LSTM": Check(dynamic_evaluation(LSTMConfig(24, 16)), EXACT),
    "dynamic evaluation of an AWD-LSTM": Check(
        dynamic_evaluation(
            LSTMConfig(24, 16, 2, projection=False, dropout=DropoutConfig(recurrent=0.5))
        ),
        EXACT,
    ),
    "Hebbian softmax": Check(hebbian_softmax, {**LIMITS, HALF: LIMITS[SINGLE]}),
    "Muon": Check(muon, ROUNDED),
}
