"""Serial ports of this machine and others: which there are, who holds them, how they are opened."""
