"""Every byte that is written: whole files, locks."""
