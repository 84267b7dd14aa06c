"""The special tokens, their ids, and the length of a model's input."""

SPECIAL_TOKENS = ("<cls>", "<pad>", "<sep>", "<unk>", "<mask>")
CLS, PAD, SEP, UNK, MASK = range(len(SPECIAL_TOKENS))  # their ids
SAMPLE_LENGTH = 256  # tokens of a model's input, <cls> and <sep> included (thesis 4.1.3)
