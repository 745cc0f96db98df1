"""The virtual board as a pyserial port: in this process, in another one."""
