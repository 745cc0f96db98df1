"""What a command line asks for, and its run on a board; knows no doit and no wording."""
