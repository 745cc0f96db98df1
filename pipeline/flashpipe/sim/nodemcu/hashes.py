"""The modules `crypto` and `encoder` of the virtual NodeMCU, as far as they turn bytes into other bytes.

What they give: nodemcu-firmware docs/modules/crypto.md and encoder.md. A build has them if its banner says so.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from flashpipe.sim.lua.values import ArgumentError, Function, LuaError, Value, native, type_name

LuaApi: TypeAlias = Any
"""`api.LuaApi`, which is made of these."""
ALGORITHMS: Final = ("md5", "sha1", "sha256", "sha384", "sha512")


def crypto(board: LuaApi) -> dict[str, Function]:
    """Functions of `crypto`."""

    def of_file(algorithm: Value = None, name: Value = None, *_: Value) -> list[Value]:
        made = _algorithm(algorithm)
        data = board.files.contents.get(_string(name, 2)) if board.files else None
        return [None if data is None else hashlib.new(made, data).digest().decode("latin-1")]

    def of_text(algorithm: Value = None, text: Value = None, *_: Value) -> str:
        return hashlib.new(_algorithm(algorithm), _bytes(text, 2)).digest().decode("latin-1")

    def keyed(algorithm: Value = None, text: Value = None, key: Value = None, *_: Value) -> str:
        return hmac.new(_bytes(key, 3), _bytes(text, 2), _algorithm(algorithm)).digest().decode("latin-1")

    plain: dict[str, Callable[..., Any]] = {"fhash": of_file, "hash": of_text, "hmac": keyed, "toHex": _to_hex}
    return {name: native(function) for name, function in plain.items()}


def encoder() -> dict[str, Function]:
    """Functions of `encoder`."""

    def from_base64(text: Value = None, *_: Value) -> str:
        try:
            return base64.b64decode(_bytes(text), validate=True).decode("latin-1")
        except binascii.Error:
            raise LuaError("stdin:1: Invalid base64 string") from None

    def from_hex(text: Value = None, *_: Value) -> str:
        try:
            return bytes.fromhex(_string(text)).decode("latin-1")
        except ValueError:
            raise LuaError("stdin:1: Invalid hexadecimal string") from None

    plain: dict[str, Callable[..., Any]] = {
        "toBase64": lambda text=None, *_: base64.b64encode(_bytes(text)).decode(),
        "fromBase64": from_base64,
        "toHex": _to_hex,
        "fromHex": from_hex,
    }
    return {name: native(function) for name, function in plain.items()}


def _to_hex(text: Value = None, *_: Value) -> str:
    return _bytes(text).hex()


def _algorithm(name: Value) -> str:
    word = _string(name).lower()
    if word not in ALGORITHMS:
        raise ArgumentError(1, f"invalid hash algorithm: {name}")
    return word


def _string(value: Value, index: int = 1) -> str:
    if isinstance(value, str):
        return value
    raise ArgumentError(index, f"string expected, got {'no value' if value is None else type_name(value)}")


def _bytes(value: Value, index: int = 1) -> bytes:
    return _string(value, index).encode("latin-1", "replace")
