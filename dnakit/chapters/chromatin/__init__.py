"""Chapter 5: chromatin profiles (thesis sections 4.2.4 and 5.4)."""
