"""The thesis's architectures and heads, as transformers models."""
