"""The rules of `pipeline.board.diagnosis`, by where a failure happens."""
