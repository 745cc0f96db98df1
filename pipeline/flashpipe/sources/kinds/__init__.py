"""What a prefix of a source text means: one module for each kind, which registers itself."""
