"""Everything decided and nothing done: what is written, what of a board is kept, what it costs."""
