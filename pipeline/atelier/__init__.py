"""The embedded gallery: paintings by invented painters, so that everything runs with no download."""
