"""Simulated worlds, written in the formats that real data come in."""
