"""Chapter 6: larger models on the samples of chapters 2 to 5 (thesis Appendix B)."""
