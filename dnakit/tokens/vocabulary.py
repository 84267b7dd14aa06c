"""The special tokens, their ids, the label of tokens without one, and the length of a model's input."""

SPECIAL_TOKENS = ("<cls>", "<pad>", "<sep>", "<unk>", "<mask>")
CLS, PAD, SEP, UNK, MASK = range(len(SPECIAL_TOKENS))  # their ids
IGNORED = -100  # the label that PyTorch's losses skip
SAMPLE_LENGTH = 256  # tokens of a model's input, <cls> and <sep> included (thesis 4.1.3)
