"""This project beside its limits and its peers: the same work, in one run."""
