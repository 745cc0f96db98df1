"""One board from opening its port to letting it go: connecting, and what is tried when that fails."""
