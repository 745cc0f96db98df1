"""The chip in download mode: identify, read, erase, write, digest."""
