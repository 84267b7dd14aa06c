"""Simulated worlds: a module each, whose ``write(folder)`` makes the files; data/sources.yaml names it as ``world``."""
