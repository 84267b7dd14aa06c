"""Notebooks as experiments: their parameters, headless execution, and the pair of text and outputs."""
