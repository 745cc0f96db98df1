"""The chip around the core: every block of registers that firmware was seen to use, one module per block.

A block is a `RegisterBlock`: it answers words by address and tells the `Agenda` when it will next do something itself.
Time is counted in board cycles of 80 MHz, the rate of the peripheral bus; nothing here reads the host's clock.
Register names and addresses are public: Espressif's eagle_soc.h, uart_register.h, spi_register.h, timer_register.h of
the SDKs, the ESP8266 technical reference, and the notes of esp8266-wiki and of pvvx's open SDK where those are silent.
"""
