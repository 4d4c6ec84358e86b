"""What pages are made of: templates, plots, pictures."""
