"""Chapter 3: transcription start sites (thesis sections 4.2.2 and 5.2)."""
