"""Byte-pair encoding over a whole sequence, which joins across the borders of k-mer words."""

from tokenizers import Tokenizer

from dnakit.tokens.tokenizer import DnaTokenizer


def without_words(tokenizer: DnaTokenizer) -> Tokenizer:
    """The library's tokenizer with the same vocabulary and merges, for sequences that are not cut into words."""
    library = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    library.pre_tokenizer = None
    return library
