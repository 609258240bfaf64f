"""Corpora: text as memory-mapped ids with a document index, and batches of contiguous lanes."""

from .byte_pairs import BytePairs
from .corpus import Corpus
from .drifting import DriftingCorpus
from .drifting_optimum import Optimum
from .lanes import IGNORED, Batch, Lanes
from .named import NAMED
from .opening import open_corpus
from .pretrained import PretrainedTokenizer
from .raw_wikitext import read_raw_wikitext
from .token_split import Documents, TokenSplit
from .tokenizer import Tokenizer, fingerprint
from .tokenizer_files import load_tokenizer, save_tokenizer
from .words import Words, split_words

__all__ = [
    "IGNORED",
    "NAMED",
    "Batch",
    "BytePairs",
    "Corpus",
    "Documents",
    "DriftingCorpus",
    "Lanes",
    "Optimum",
    "PretrainedTokenizer",
    "TokenSplit",
    "Tokenizer",
    "Words",
    "fingerprint",
    "load_tokenizer",
    "open_corpus",
    "read_raw_wikitext",
    "save_tokenizer",
    "split_words",
]
