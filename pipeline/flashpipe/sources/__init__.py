"""Where images come from: files, downloads, archives, packages, builds; the lock file that pins them."""
