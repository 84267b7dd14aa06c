"""From letters to tokens, from tokens to samples."""
