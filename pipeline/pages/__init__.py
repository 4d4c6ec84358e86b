"""What HTML pages share: templates, pictures within a page."""
