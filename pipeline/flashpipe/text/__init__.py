"""Events, plans and findings in words, for people."""
