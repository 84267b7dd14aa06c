"""Helpers for the executable edition of *Small transformers for bioinformatics tasks* (Lorello, 2021)."""
