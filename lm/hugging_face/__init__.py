"""Causal language models of Hugging Face, read and adapted like ours (extra ``hf``)."""

from .adapt import adapt
from .fitted_block import fit_or_load_block
from .fitting import fit_fast_block
from .language_model import HuggingFaceLanguageModel, HuggingFaceState
from .loading import LoadedPretrained, load_pretrained
from .output_rows import OutputRows
from .sharpness import cache_sharpness

__all__ = [
    "HuggingFaceLanguageModel",
    "HuggingFaceState",
    "LoadedPretrained",
    "OutputRows",
    "adapt",
    "cache_sharpness",
    "fit_fast_block",
    "fit_or_load_block",
    "load_pretrained",
]
