"""Getting data, reading the formats of the field, and simulating genomes."""
