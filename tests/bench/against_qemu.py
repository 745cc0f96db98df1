"""QEMU judges the cores: it has the same processor (`qemu-system-xtensa -cpu lx106`; Debian: qemu-system-misc).

    python -m tests.bench.against_qemu words --count 20000
"""
