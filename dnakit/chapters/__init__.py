"""The chapters of the book: one package each, named as its notebook."""
