#!/usr/bin/env python3
"""Carries frames between two devices of this network namespace and loses, delays and reorders some of them.

A stand-in for netem, which many kernels lack. Prints one byte when frames flow. Ended by a signal.
"""

import argparse
import ctypes
import fcntl
import heapq
import random
import select
import socket
import struct
import sys
import time

FRAME_BYTES_MAX = 65_536
# Frames that wait for their time, at most; more are lost, as in a switch.
WAITING_MAX = 10_000
SIOCETHTOOL = 0x8946
# What a card would do on a frame's way and no card does here: checksums, scatter-gather, TSO, GSO.
OFFLOADS = (0x17, 0x19, 0x1F, 0x24)
ETH_P_ALL = 3


def set_offloads(device, on):
    """With 0 the kernel finishes every frame before it leaves the device, as `main` needs them."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        for command in OFFLOADS:
            value = ctypes.create_string_buffer(struct.pack("II", command, on), 8)
            request = struct.pack("16sP16x", device.encode(), ctypes.addressof(value))
            try:
                fcntl.ioctl(any_socket, SIOCETHTOOL, request)
            except OSError:
                pass  # a device that cannot do it need not be told


def open_device(name):
    """A raw socket that sees the frames which arrive at the device, and none that leave by it."""
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    raw.bind((name, ETH_P_ALL))
    raw.setblocking(False)
    return raw


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("devices", nargs="*")
    parser.add_argument("--offloads", type=int, choices=(0, 1), help="turn the devices' off or on, and end")
    parser.add_argument("--delay-ms", type=float, default=0.0)
    parser.add_argument("--jitter-ms", type=float, default=0.0, help="up to this much more, each frame its own")
    parser.add_argument("--loss", type=float, default=0.0, help="the part of the frames that is lost, 0 to 1")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.offloads is not None:
        for device in options.devices:
            set_offloads(device, options.offloads)
        return
    source = random.Random(options.seed)
    left, right = (open_device(name) for name in options.devices)
    other = {left: right, right: left}
    waiting, count = [], 0
    sys.stdout.write(".")
    sys.stdout.flush()
    while True:
        timeout_s = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
        for ready in select.select([left, right], [], [], timeout_s)[0]:
            try:
                frame, (_, _, kind, *_) = ready.recvfrom(FRAME_BYTES_MAX)
            except OSError:
                continue
            if kind == socket.PACKET_OUTGOING or source.random() < options.loss or len(waiting) >= WAITING_MAX:
                continue
            due = time.monotonic() + (options.delay_ms + source.random() * options.jitter_ms) / 1000
            count += 1
            heapq.heappush(waiting, (due, count, other[ready], frame))
        while waiting and waiting[0][0] <= time.monotonic():
            _, _, to, frame = heapq.heappop(waiting)
            try:
                to.send(frame)
            except OSError:
                pass  # A queue that is full, or a device that went: a lost frame.


if __name__ == "__main__":
    main()
