"""nodemcu."""
