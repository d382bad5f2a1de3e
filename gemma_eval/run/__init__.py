"""One run: prepare, answer, record."""
