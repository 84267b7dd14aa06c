"""Chapter 10: what the thesis proposes as future work, one real experiment each."""
