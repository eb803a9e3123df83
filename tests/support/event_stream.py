"""The frames of `application/vnd.amazon.eventstream`, as SubscribeToShard pushes them."""

import json
import struct
import zlib

PRELUDE = struct.Struct(">III")
CRC = struct.Struct(">I")
STRING = 7


class Damaged(Exception):
    """A frame's checksum is not that of its bytes."""


def _headers(raw):
    found, at = {}, 0
    while at < len(raw):
        name_end = at + 1 + raw[at]
        name = raw[at + 1 : name_end].decode()
        if raw[name_end] != STRING:
            raise Damaged(f"header {name} is of type {raw[name_end]}")
        (length,) = struct.unpack_from(">H", raw, name_end + 1)
        at = name_end + 3 + length
        found[name] = raw[name_end + 3 : at].decode()
    return found


def frames(read):
    """(headers, document) of each frame; `read(n)` gives so many bytes, or fewer at the end."""
    while len(prelude := read(PRELUDE.size)) == PRELUDE.size:
        total, headers_length, crc = PRELUDE.unpack(prelude)
        if zlib.crc32(prelude[:8]) != crc:
            raise Damaged("a frame's beginning")
        rest = read(total - PRELUDE.size)
        if len(rest) < total - PRELUDE.size:
            return
        if zlib.crc32(prelude + rest[: -CRC.size]) != CRC.unpack(rest[-CRC.size :])[0]:
            raise Damaged("a frame")
        yield _headers(rest[:headers_length]), json.loads(rest[headers_length : -CRC.size] or b"{}")
