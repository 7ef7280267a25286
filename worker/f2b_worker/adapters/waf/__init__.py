"""IP sets: to find them, to read and to write them."""
