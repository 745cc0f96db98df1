"""Virtual boards for other processes: behind a pseudo-terminal, RFC 2217, or a socket of our own."""
