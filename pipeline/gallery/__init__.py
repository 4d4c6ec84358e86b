"""Which files are paintings, and whose."""
