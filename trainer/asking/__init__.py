"""One picture, asked of a finished run."""
