"""What a board says when it starts, and what that proves."""
