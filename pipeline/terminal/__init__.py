"""What commands share at a terminal: streams, endings, progress."""
