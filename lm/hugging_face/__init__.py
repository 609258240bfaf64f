"""Causal language models of Hugging Face, read and adapted like ours (extra ``hf``)."""

from .adapt import adapt
from .fitting import fit_fast_block
from .language_model import HuggingFaceLanguageModel, HuggingFaceState
from .output_rows import OutputRows

__all__ = [
    "HuggingFaceLanguageModel",
    "HuggingFaceState",
    "OutputRows",
    "adapt",
    "fit_fast_block",
]
