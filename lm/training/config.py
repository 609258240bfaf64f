"""The configuration of a training run: plain data, all of which the folder of the run keeps."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal, get_args

from ...memory.contract import check_sizes
from ..corpora import Corpus, Lanes, open_corpus
from ..corpora.lanes import VARIES_UP_TO, Order
from ..models import LSTMConfig, ModelConfig, small_lstm
from ..optimizers import OptimizerConfig, cosine, trapezoid
from ..precision import Precision

Carry = Literal["all", "body", "none"]


@dataclass(frozen=True)
class TrainConfig:
    """A model, a corpus, and how the one learns the other."""

    model: ModelConfig = field(default_factory=small_lstm)
    """The model."""
    corpus: str = "ptb"
    """A name (ptb, wikitext-2, wikitext-103, enwiki-long, gutenberg, wikinews, tinyshakespeare,
    drifting), a file, a folder with a file for each split, or hf:owner/name of Hugging Face. Named
    ones are looked for in the folder of the environment variable DRIFTWISE_DATA."""
    tokenizer: str = "words"
    """words, blanks (words that are apart already), bpe (byte pairs), or a tokenizer's file."""
    vocab_size: int | None = None
    """Largest vocabulary; by default no limit for words, and 16,384 for byte pairs."""
    min_count: int | None = None
    """Rarer words become <unk>; by default 1 where words come apart already, 3 otherwise."""
    order: Order = "shuffled"
    """Order of the documents: shuffled, another in each epoch; time; or given."""
    reset_documents: bool = True
    """Whether the state is reset where a document begins."""

    batch_size: int = 32
    """Lanes of text that are read side by side, over all processes."""
    length: int = 64
    """Tokens of each lane in a batch, which is how far gradients reach back."""
    vary_length: bool = False
    """Whether each batch has another length, around ``length`` or at times its half, and a learning
    rate in proportion: gradients are cut elsewhere in each epoch (Merity et al. 2018)."""
    micro_batches: int = 1
    """Parts that the lanes of a batch are read in, one after the other, to need less memory. The
    gradient is that of the batch as a whole."""
    carry: Carry = "all"
    """What of the state goes from batch to batch: all, all but that of an adaptive block (body), or
    none. A block that never forgets wants documents that reset it, or else body."""
    num_steps: int = 6_000
    """Batches."""
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    """What trains which weights, and how fast."""
    schedule: Literal["trapezoid", "cosine"] = "trapezoid"
    """Learning rates over time: up, constant and down in lines, or up and down a cosine."""
    warmup: int = 100
    """Steps in which learning rates rise; at most half of all, for the sake of short trials."""
    cooldown: float = 0.6
    """trapezoid: share of the steps in which they fall to zero."""
    clip_norm: float | None = 1.0
    """Length that gradients are cut to; None leaves them alone."""
    average_decay: float | None = None
    """Decay of a moving average of the weights, such as 0.999, that is validated and saved in their
    place; None for no average."""
    average_patience: int | None = None
    """In place of that, the mean of all weights since validation has stopped to improve: since a
    loss above the best of those more than so many validations ago (with sgd: NT-ASGD)."""
    activation_coef: float = 0.0
    """Weight of the mean square of the hidden vectors that the softmax predicts from (AR)."""
    change_coef: float = 0.0
    """Weight of the mean square of how much the outputs of an LSTM change from one word to the next
    (TAR)."""
    seed: int = 0
    """Seed of the weights, of dropout and of the order of documents."""

    log_every: int = 20
    """Steps between lines of metrics."""
    evaluate_every: int = 500
    """Steps between validations; there is one at the end, too."""
    valid_batch_size: int = 16
    """Lanes of the validation split."""
    valid_tokens: int | None = None
    """Tokens of the validation split to read, the first ones of each lane; None reads all."""
    sample_tokens: int = 40
    """Tokens of a sample of text at each validation; 0 for none."""
    sample_prompt: str = ""
    """What a sample goes on from."""
    checkpoint_every: int = 500
    """Steps between checkpoints."""

    device: str = "auto"
    """torch device; auto is a GPU where there is one."""
    precision: Precision = "auto"
    """Of matrix products: float32, bfloat16, or auto, which is bfloat16 on a GPU."""
    compile: bool = False
    """Compile Transformer blocks, and the softmax if no adaptive block differentiates it twice."""
    parallel: Literal["ddp", "fsdp"] = "ddp"
    """With several processes (torchrun): ddp has the whole model in each, fsdp shares it out."""

    def check(self) -> None:
        """Raise an error that names a field out of range."""
        sizes = (
            *("batch_size", "length", "micro_batches", "num_steps", "log_every", "evaluate_every"),
            *("valid_batch_size", "valid_tokens", "checkpoint_every", "average_patience"),
        )
        given = {name: getattr(self, name) for name in sizes}
        check_sizes(**{name: size for name, size in given.items() if size is not None})
        for name, known in (
            ("carry", get_args(Carry)),
            ("schedule", ("trapezoid", "cosine")),
            ("parallel", ("ddp", "fsdp")),
            ("precision", get_args(Precision)),
        ):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} must be one of {known}, got {getattr(self, name)!r}")
        if self.seed < 0 or self.sample_tokens < 0:
            raise ValueError(
                "seed and sample_tokens must be at least 0, got "
                f"{self.seed} and {self.sample_tokens}"
            )
        if self.clip_norm is not None and not self.clip_norm > 0:
            raise ValueError(f"clip_norm must be above 0, got {self.clip_norm}")
        if self.average_decay is not None and not 0 < self.average_decay < 1:
            raise ValueError(f"average_decay must be between 0 and 1, got {self.average_decay}")
        if self.average_decay is not None and self.average_patience is not None:
            raise ValueError("average_patience must be None with average_decay")
        for name in ("activation_coef", "change_coef"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be at least 0 and finite, got {getattr(self, name)}")
        plain = isinstance(self.model, LSTMConfig) and self.model.fast_block is None
        if self.change_coef and not plain:
            raise ValueError("change_coef must be 0 but for an LSTM without an adaptive block")
        longest = getattr(self.model, "max_length", math.inf)
        if self.length + VARIES_UP_TO * self.vary_length > longest:
            varies = f" + {VARIES_UP_TO}, as lengths vary" if self.vary_length else ""
            raise ValueError(
                f"length must be at most model.max_length={longest}, got {self.length}{varies}"
            )
        if self.carry == "body" and self.model.fast_block is None:
            raise ValueError("carry must be all or none without an adaptive block (fast_block)")
        if self.parallel == "fsdp" and self.model.softmax.hebbian is not None:
            raise ValueError(
                "parallel must be ddp with Hebbian rows, which every process writes to as a whole"
            )
        self.optimizer.check()
        self.learning_rate_factor(0)

    def learning_rate_factor(self, step: int) -> float:
        """What learning rates are multiplied by, from 0 to 1, after so many steps."""
        warmup = min(self.warmup, self.num_steps // 2)
        if self.schedule == "cosine":
            return cosine(step, self.num_steps, warmup=warmup)
        return trapezoid(step, self.num_steps, warmup=warmup, cooldown=self.cooldown)

    @property
    def valid_steps(self) -> int | None:
        """Batches of a validation; None for all."""
        if self.valid_tokens is None:
            return None
        return max(1, self.valid_tokens // (self.valid_batch_size * self.length))

    def train_lanes(self, corpus: Corpus, rank: int = 0, world_size: int = 1) -> Lanes:
        """The text to train on, for one process of some; see :class:`Lanes` for errors."""
        return Lanes(
            corpus.train,
            self.batch_size,
            self.length,
            seed=self.seed,
            order=self.order,
            reset_documents=self.reset_documents,
            vary_length=self.vary_length,
            rank=rank,
            world_size=world_size,
        )

    def valid_lanes(self, corpus: Corpus, rank: int = 0, world_size: int = 1) -> Lanes:
        """The text to validate on, read once and in order."""
        return Lanes(
            corpus.valid,
            self.valid_batch_size,
            self.length,
            order="given",
            epochs=1,
            reset_documents=self.reset_documents,
            rank=rank,
            world_size=world_size,
        )

    def open_corpus(self, progress: bool = True) -> Corpus:
        """The corpus; see :func:`driftwise.lm.corpora.open_corpus` for what may go wrong."""
        return open_corpus(
            self.corpus,
            tokenizer=self.tokenizer,
            vocab_size=self.vocab_size,
            min_count=self.min_count,
            progress=progress,
        )
