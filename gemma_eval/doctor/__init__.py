"""The doctor measures a backend, compares the measurements with others, and says what is wrong."""
