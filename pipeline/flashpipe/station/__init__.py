"""A station: boards of a batch are flashed as they are plugged in, and what was done is proven."""
