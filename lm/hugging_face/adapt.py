"""From a causal language model of Hugging Face to a model that every adapter works on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..models import FastBlockConfig, FastBlockLanguageModel, LanguageModel
from .language_model import HuggingFaceLanguageModel
from .package import load_transformers

DEFAULT_CONTEXT = 1024


def adapt(
    model: Any,
    *,
    fast_block: FastBlockConfig | bool = False,
    context: int | None = None,
    overlap: int | None = None,
) -> LanguageModel:
    """Put a causal language model of Hugging Face under the adapters of this package.

    What comes back reads, predicts and carries a state like every model here: all of
    :mod:`driftwise.lm.adapters` and :mod:`driftwise.lm.evaluation` works on it. Its weights are
    those of ``model``, shared and not copied; adapters that move weights move those of a copy. Its
    logits are those of ``model`` to the last bit, also with a block that is not fitted yet.

    Args:
        model: A causal language model of ``transformers``, such as ``AutoModelForCausalLM`` loads,
            in float32 or wider, on the device to read on. It is put into evaluation mode.
        fast_block: Whether an adaptive block is put before the softmax, or what it is like; it is
            residual in any case. :func:`fit_fast_block` trains it.
        context: Words of a window (see :class:`HuggingFaceLanguageModel`); by default the positions
            of the model, or 1,024 if there are more.
        overlap: Words that each further window begins with; half of ``context`` by default.

    Raises:
        ImportError: ``transformers`` is not installed; the message has the command.
        TypeError: ``model`` is something else.
        ValueError: A number is out of range, or the model cannot be read so.
    """
    transformers = load_transformers()
    if not isinstance(model, transformers.PreTrainedModel):
        raise TypeError(
            "model must be a causal language model of transformers, got a "
            f"{type(model).__name__}: load one with AutoModelForCausalLM.from_pretrained(name)"
        )
    if model.get_output_embeddings() is None:
        raise TypeError(
            f"model must predict words, got a {type(model).__name__}: load it with "
            "AutoModelForCausalLM.from_pretrained(name)"
        )
    positions: int | None = getattr(model.config, "max_position_embeddings", None)
    if context is None:
        context = min(DEFAULT_CONTEXT, positions or DEFAULT_CONTEXT)
    if context < 2 or (positions is not None and context > positions):
        raise ValueError(
            f"context must be from 2 to the {positions or 'any number of'} positions of the model, "
            f"got {context}"
        )
    body = HuggingFaceLanguageModel(model, context, context // 2 if overlap is None else overlap)
    if fast_block is False:
        return body.eval()
    config = FastBlockConfig() if fast_block is True else fast_block
    adapted = FastBlockLanguageModel(body, replace(config, residual=True))
    rows = next(body.head.parameters())
    adapted.layer.to(rows.device, rows.dtype)
    return adapted.eval()
