"""Tests on a board: what pytest's plug-in and `flashpipe test` share."""
