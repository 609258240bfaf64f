"""``driftwise generate``: text from a language model."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from driftwise.scripts.command_line import parse


@dataclass(frozen=True)
class Arguments:
    """Let a language model go on with a text.

    The model reads the prompt, then what it has drawn itself, word by word, with its state carried
    along: a model that adapts while it reads adapts to its own text, too.
    """

    run: Annotated[Path, tyro.conf.Positional]
    """Folder of a run of driftwise train-lm, of which the best model so far is taken, or of a model
    (such as RUN/last)."""
    prompt: str = ""
    """Text to go on from; the beginning of a document by default."""
    tokens: int = 100
    """Tokens to draw."""
    samples: int = 1
    """Continuations to draw."""
    temperature: float = 1.0
    """Divides log-probabilities: below 1 likely words become likelier; 0 takes the likeliest."""
    top_p: float = 0.95
    """Draw from the likeliest words that together have this probability; 1 draws from all."""
    seed: int = 0
    """Seed of what is drawn."""
    device: str = "auto"
    """torch device; auto is a GPU where there is one."""


def main(arguments: Sequence[str]) -> None:
    """Run the command with these arguments."""
    given = parse(Arguments, arguments, "driftwise generate")

    from driftwise.lm.checkpoint import load_language_model
    from driftwise.lm.generate import generate

    loaded = load_language_model(given.run, given.device)
    texts = generate(
        loaded.model,
        loaded.tokenizer,
        given.prompt,
        given.tokens,
        num_samples=given.samples,
        temperature=given.temperature,
        top_p=given.top_p,
        seed=given.seed,
    )
    print("\n\n---\n\n".join(texts))
