"""Chapter 4: fishes named by their 12S gene (thesis sections 4.2.3 and 5.3), and `dnakit classify`."""
