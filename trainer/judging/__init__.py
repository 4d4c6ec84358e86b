"""How good is a model? Votes, scores, intervals, and what might make them too good."""
