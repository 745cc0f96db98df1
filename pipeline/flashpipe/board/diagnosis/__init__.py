"""The rules of `flashpipe.board.diagnosis.judge`, by where a failure happens."""
