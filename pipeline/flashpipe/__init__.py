"""flashpipe: a declarative build-and-flash pipeline for ESP8266 and ESP8285 boards."""
