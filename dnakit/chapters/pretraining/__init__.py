"""Chapter 2: pretraining on reference genomes (thesis sections 4.2.1 and 5.1)."""
