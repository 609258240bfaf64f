"""A causal language model of Hugging Face by the contract of ours."""

from __future__ import annotations

import inspect
from typing import Any, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...memory import map_state, select_rows, write_rows
from ..models import KeyValues, LanguageModel
from .output_rows import OutputRows
from .package import load_transformers


class HuggingFaceState(NamedTuple):
    """State of a :class:`HuggingFaceLanguageModel`, C being its ``context``.

    Attributes:
        layers: Keys and values of every layer, (B, heads, C, width), the latest last.
        words: (B, overlap) the last words, the latest last.
        num_read: (B,) how many words of the present window are read; keys and values before the
            last ``num_read`` hold nothing.
    """

    layers: tuple[KeyValues, ...]
    words: Tensor
    num_read: Tensor


class HuggingFaceLanguageModel(LanguageModel):
    """The body of a model up to its last norm, and its output layer as ``head``.

    Texts of any length are read in windows of ``context`` words with positions from 0, as the model
    was trained. The first window begins with the document. When one is full, the next begins with
    the last ``overlap`` words, which are read again. A prediction sees at least ``overlap`` words
    (where the document has them), and which ones depends on nothing but the place in the document:
    however a text is cut into pieces, hidden vectors are the same. (To keep on reading and drop the
    oldest keys would be cheaper, but models fail without the first ones that they lean on: Xiao et
    al. 2024, arXiv:2309.17453.)

    Args:
        model: A causal language model of ``transformers``. Its modules are shared, not copied, and
            put into evaluation mode.
        context: C, from 2 to the positions that the model has.
        overlap: Words that are read again, from 1 to C - 1.

    Raises:
        ValueError: A number is out of range, or the model is one that cannot be read so.
    """

    head: OutputRows

    def __init__(self, model: Any, context: int, overlap: int) -> None:
        super().__init__()
        if not 1 <= overlap < context:
            raise ValueError(f"overlap must be from 1 to below context={context}, got {overlap}")
        rows = model.get_output_embeddings()
        if not isinstance(rows, nn.Linear) or model.base_model is model:
            raise ValueError(
                f"model must have a body and a linear output layer, got a {type(model).__name__}"
            )
        self.context, self.overlap = context, overlap
        self.body: nn.Module = model.eval().base_model
        self.head = OutputRows(rows, model.config)
        self._num_heads = int(getattr(model.config, "num_attention_heads", 0))
        self._takes_positions = "position_ids" in inspect.signature(self.body.forward).parameters
        self._shapes = self._check_body(model)

    @property
    def passes(self) -> float:
        """See :class:`LanguageModel`: what is read again with every new window is in it."""
        return self.context / (self.context - self.overlap)

    def attention_flops(self, length: int, carried: bool) -> float:
        """See :class:`LanguageModel`; every window is read from its first position."""
        seen = (1 + (self.context if carried else min(length, self.context))) / 2
        widths = sum(keys[1] + values[1] for keys, values in self._shapes)
        return 2.0 * seen * self._num_heads * widths

    def initial_state(self, batch_size: int) -> HuggingFaceState:
        """Nothing that was read."""
        return _resize(self._nothing(batch_size), self.context)

    def _run(
        self, inputs: Tensor, state: HuggingFaceState | None, starts: Tensor | None
    ) -> tuple[Tensor, HuggingFaceState]:
        state = self._nothing(len(inputs)) if state is None else state
        length = inputs.shape[1]
        begins = [] if starts is None else starts.any(0).nonzero().flatten().tolist()
        hidden, at = [], 0
        while at < length:  # to the next start, or to where a window is full
            if starts is not None and at in begins:
                state = _forget(state, starts[:, at])
            state = self._next_windows(state)
            most = int(state.num_read.max())
            stops = [length, at + self.context - most, *(b for b in begins if b > at)]
            piece, state = self._read(inputs[:, at : min(stops)], _resize(state, most))
            hidden.append(piece)
            at = min(stops)
        return torch.cat(hidden, 1), _resize(state, self.context)

    def _read(self, inputs: Tensor, state: HuggingFaceState) -> tuple[Tensor, HuggingFaceState]:
        """Read words that the windows have room for, after as many slots as the longest needs."""
        cache = load_transformers().DynamicCache()
        slots, length = state.layers[0].keys.shape[2], inputs.shape[1]
        options: dict[str, Tensor] = {}
        if slots:
            for index, (keys, values) in enumerate(state.layers):
                cache.update(keys, values, index)
            # Without a mask where there is nothing to mask: that is the model's own fast way.
            if bool((state.num_read < slots).any()):
                unused = (slots - state.num_read).unsqueeze(1)
                places = torch.arange(slots + length, device=inputs.device)
                options["attention_mask"] = (places >= unused).long()
                if self._takes_positions:
                    options["position_ids"] = places[slots:] - unused
        read = self.body(
            input_ids=inputs, past_key_values=cache, use_cache=True, return_dict=True, **options
        )
        return read.last_hidden_state, HuggingFaceState(
            tuple(KeyValues(layer.keys, layer.values) for layer in cache.layers),
            torch.cat((state.words, inputs), 1)[:, -self.overlap :],
            state.num_read + length,
        )

    def _next_windows(self, state: HuggingFaceState) -> HuggingFaceState:
        """Rows whose window is full begin the next one, with the last words read again."""
        full = state.num_read == self.context
        if not full.any():
            return state
        words = select_rows(state, full).words
        _, begun = self._read(words, self._nothing(len(words)))
        slots = state.layers[0].keys.shape[2]
        return cast(HuggingFaceState, write_rows(state, full, _resize(begun, slots)))

    def _nothing(self, batch_size: int) -> HuggingFaceState:
        """The initial state without slots."""
        like = next(self.head.parameters())
        return HuggingFaceState(
            tuple(
                KeyValues(*(like.new_zeros(batch_size, heads, 0, width) for heads, width in layer))
                for layer in self._shapes
            ),
            like.new_zeros(batch_size, self.overlap, dtype=torch.int64),
            like.new_zeros(batch_size, dtype=torch.int64),
        )

    @torch.no_grad()
    def _check_body(self, model: Any) -> list[tuple[tuple[int, int], tuple[int, int]]]:
        """Read two words: what does a layer remember, and are the logits those of the model?

        Returns:
            Heads and width of keys and of values, for each layer.
        """
        name, cache = type(model).__name__, load_transformers().DynamicCache()
        inputs = torch.arange(2, device=next(self.head.parameters()).device).unsqueeze(0)
        read = self.body(input_ids=inputs, past_key_values=cache, use_cache=True, return_dict=True)
        shapes = []
        for layer in cache.layers:
            parts = getattr(layer, "keys", None), getattr(layer, "values", None)
            if any(part is None or part.ndim != 4 or part.shape[2] != 2 for part in parts):
                raise ValueError(
                    f"every layer of model must keep keys and values, not so in {name}"
                )
            keys, values = ((part.shape[1], part.shape[3]) for part in parts if part is not None)
            shapes.append((keys, values))
        found = self.head.logits(read.last_hidden_state)
        expected = model(input_ids=inputs).logits
        if not shapes or not torch.allclose(found, expected.to(found.dtype), 1e-3, 1e-3):
            raise ValueError(
                f"the logits of {name} must be those of its output layer on its last hidden state, "
                "with a factor, a divisor or a soft cap at most; load it in float32"
            )
        return shapes


def _resize(state: HuggingFaceState, slots: int) -> HuggingFaceState:
    """The same with so many slots: unused ones are put before the others, or dropped."""
    layers = tuple(
        KeyValues(*(F.pad(part, (0, 0, slots - part.shape[2], 0)) for part in layer))
        for layer in state.layers
    )
    return state._replace(layers=layers)


def _forget(state: HuggingFaceState, rows: Tensor) -> HuggingFaceState:
    """Put rows, (B,) bool, back to the initial state."""

    def clear(part: Tensor) -> Tensor:
        return part.masked_fill(rows.view(-1, *(1,) * (part.ndim - 1)), 0)

    return cast(HuggingFaceState, map_state(clear, state))
