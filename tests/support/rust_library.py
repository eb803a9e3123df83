"""The programs of tests/interop/rust/library as processes, and the KPL's format by hand: nothing here shares code with the library
that they are made with."""

import hashlib
import os
import subprocess
import threading
from pathlib import Path

from support.kcl import HASH_KEYS, Event, Worker

MAGIC = bytes.fromhex("f3899ac2")
STOP_TIMEOUT_S = 60


def program(name):
    """A built example of tests/interop/rust."""
    return Path(os.environ["LEVADA_INTEROP_PROGRAMS"]) / name


def environment():
    """Without what somebody else's AWS needs."""
    return {k: v for k, v in os.environ.items() if not k.startswith("AWS_")} | {"RUST_BACKTRACE": "1"}


def place(sequence, sub):
    """A user record's place as one number of digits, which is what the judge of support.kcl compares."""
    return f"{sequence}{int(sub):09d}"


class Placed:
    """Events of a worker, with each place as one number."""

    _told = 0

    @property
    def events(self):
        """As support.kcl has them."""
        told = super().events
        with self._lock:
            placed = self.__dict__.setdefault("_placed", [])
            for event in told[self._told :]:
                if event.what in self.HAVE_PLACES and event.rest[0].isdigit():
                    event = Event(*event[:3], (place(*event.rest[:2]), *event.rest[2:]))
                elif event.what == "checkpoint" and "checkpoint" not in self.HAVE_PLACES:
                    event = event._replace(rest=("-",))
                placed.append(event)
            self._told = len(told)
            return placed


class KclWorker(Placed, Worker):
    """One process of an application on Amazon's library. It does not say the sub sequence number of a checkpoint."""

    HAVE_PLACES = ("init", "record")


class LibraryWorker(Placed, Worker):
    """One process of an application on levada-streams."""

    HAVE_PLACES = ("init", "checkpoint", "record")

    def __init__(self, directory, endpoint, stream, application, name, mode, lease_s=4):
        self.name, self.directory = name, Path(directory)
        self.events_path, self.errors_path = self.directory / f"{name}.events", self.directory / f"{name}.errors"
        with open(self.events_path, "wb") as out, open(self.errors_path, "wb") as err:
            self.process = subprocess.Popen(
                [program("worker"), endpoint, stream, application, name, mode, str(lease_s)],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=err,
                env=environment(),
                start_new_session=True,
            )
        self._read, self._events, self._lock = 0, [], threading.Lock()

    def tell_to_end(self):
        """Its standard input ends."""
        self.process.stdin.close()


class Load:
    """The producer's process, with the receipts that it was given."""

    def __init__(self, directory, endpoint, stream, mode, records="-", pace="-"):
        self.out, self.errors_path = Path(directory) / "load.out", Path(directory) / "load.errors"
        with open(self.out, "wb") as out, open(self.errors_path, "wb") as err:
            self.process = subprocess.Popen(
                [program("load"), endpoint, stream, mode, str(records), str(pace)],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=err,
                env=environment(),
                start_new_session=True,
            )

    def end(self, by_itself=False):
        """Waits for the last receipt; all of them as (shard, sequence number, sub sequence number, data)."""
        if not by_itself and not self.process.stdin.closed:
            self.process.stdin.close()
        code = self.process.wait(STOP_TIMEOUT_S)
        assert code == 0, f"the load ended with {code}\n{self.errors_path.read_text(errors='replace')[-4000:]}"
        return [tuple(line.split("\t")) for line in self.out.read_text().splitlines()]

    def kill(self):
        """No process is left."""
        self.process.kill()
        self.process.wait()


def hash_key(partition_key):
    """Where a key belongs."""
    return int.from_bytes(hashlib.md5(partition_key.encode()).digest(), "big") % HASH_KEYS


def _varint(number):
    out = bytearray()
    while True:
        number, low = number >> 7, number & 0x7F
        out.append(low | (0x80 if number else 0))
        if not number:
            return bytes(out)


def _delimited(tag, data):
    return _varint(tag << 3 | 2) + _varint(len(data)) + data


def aggregate(records, hash_keys=(), tagged=False):
    """An aggregated record of (partition key, data, place in hash_keys or None), each key once in its table."""
    keys = list(dict.fromkeys(key for key, _, _ in records))
    message = b"".join(_delimited(1, key.encode()) for key in keys)
    message += b"".join(_delimited(2, str(key).encode()) for key in hash_keys)
    for key, data, explicit in records:
        body = _varint(1 << 3) + _varint(keys.index(key))
        if explicit is not None:
            body += _varint(2 << 3) + _varint(explicit)
        body += _delimited(3, data)
        if tagged:
            body += _delimited(4, _delimited(1, b"tag") + _delimited(2, b"value"))
        message += _delimited(3, body)
    return MAGIC + message + hashlib.md5(message).digest()


def _fields(message):
    at = 0

    def varint():
        nonlocal at
        number = shift = 0
        while True:
            byte = message[at]
            number, shift, at = number | (byte & 0x7F) << shift, shift + 7, at + 1
            if byte < 0x80:
                return number

    while at < len(message):
        head = varint()
        if head & 7 == 0:
            yield head >> 3, varint()
        else:
            assert head & 7 == 2, f"wire type {head & 7}"
            length = varint()
            yield head >> 3, message[at : at + length]
            at += length


def take_apart(data):
    """[(partition key, data)] of an aggregated record; None if it is none."""
    message, digest = data[4:-16], data[-16:]
    if not data.startswith(MAGIC) or hashlib.md5(message).digest() != digest:
        return None
    keys, records = [], []
    for tag, value in _fields(message):
        if tag == 1:
            keys.append(value.decode())
        elif tag == 3:
            fields = dict(_fields(value))
            records.append((keys[fields[1]], fields[3]))
    return records
