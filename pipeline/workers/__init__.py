"""Who does the jobs: processes of this machine, or any Beam runner."""
