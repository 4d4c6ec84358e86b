"""Many runs, one after the other, and the table of what came of them."""
