"""From a configuration to a softmax."""

from dataclasses import replace

from .adaptive_softmax import AdaptiveSoftmax
from .config import SoftmaxConfig
from .full_softmax import FullSoftmax
from .head import SoftmaxHead


def make_softmax(config: SoftmaxConfig, hidden_size: int, vocab_size: int) -> SoftmaxHead:
    """The softmax that ``config`` describes.

    Cut-offs beyond the vocabulary are left out, and the softmax is a full one where none is left,
    so that one recipe fits corpora of any size, in words and in byte pairs.

    Raises:
        ValueError: A field is out of range, or of no use with the others.
    """
    count = sum(cutoff < vocab_size for cutoff in config.cutoffs)
    if count < len(config.cutoffs):
        cutoffs, capacities = config.cutoffs[:count], config.capacities[:count]
        config = replace(config, cutoffs=cutoffs, capacities=capacities)
    if not config.cutoffs:
        if config.capacities:
            raise ValueError("capacities are for an adaptive softmax: give cutoffs too")
        return FullSoftmax(
            hidden_size,
            vocab_size,
            bias=config.bias,
            hebbian=config.hebbian,
            logit_cap=config.logit_cap,
            max_logits=config.max_logits,
        )
    if config.bias:
        raise ValueError("bias must be False with cutoffs: an adaptive softmax has none")
    return AdaptiveSoftmax(
        hidden_size,
        vocab_size,
        config.cutoffs,
        div_value=config.div_value,
        capacities=config.capacities,
        hebbian=config.hebbian,
        logit_cap=config.logit_cap,
        max_logits=config.max_logits,
    )
