"""Chapter 1: what four tokenizations make of the same genomes (thesis section 4.2.1)."""
