"""From the evidence of a failure to one cause, its proof and one action."""
