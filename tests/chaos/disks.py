"""A small ext4 of its own for each node, in a file, mounted by a loop device.

That makes a full disk cheap and a power cut true: `cut_power` ends the file system at one moment without writing
anything more (what xfstests calls godown), so that what was not synced is gone after the next mount, with the
journal replayed as after a real one. What a drive's own cache would lose is not lost here.
"""

import fcntl
import os
import struct
import subprocess
import time
from pathlib import Path

# Sparse. Twice what ten minutes of load need, above the 256 MiB that a node keeps in reserve.
DISK_BYTES = 2 << 30
EXT4_IOC_SHUTDOWN = 0x8004587D
NO_LOG_FLUSH = 2
UNMOUNT_TIMEOUT_S = 10


def _run(*words):
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True)
    if done.returncode:
        raise OSError(f"{' '.join(map(str, words))}: {done.stderr.strip()}")


def sweep(directory):
    """Unmounts what a run that was killed has left under a directory."""
    for line in Path("/proc/mounts").read_text().splitlines():
        if (path := line.split()[1]).startswith(f"{directory}/"):
            _run("umount", path)


def why_not(directory):
    """Why file systems cannot be made and mounted here, or None."""
    try:
        with Disk(Path(directory) / "try", 64 << 20) as disk:
            disk.cut_power()
            disk.restore_power()
    except OSError as error:
        return str(error)
    return None


class Disk:
    """One file system, mounted at `path`. Use as a context, or `make` and `close`."""

    def __init__(self, path, size_bytes=DISK_BYTES):
        self.path, self.image = Path(path), Path(f"{path}.img")
        self.size_bytes = size_bytes
        self.mounted = False

    def __enter__(self):
        return self.make()

    def __exit__(self, *_):
        self.close()

    def make(self):
        """Makes and mounts it, empty."""
        self.path.mkdir(parents=True, exist_ok=True)
        self.image.write_bytes(b"")
        os.truncate(self.image, self.size_bytes)
        _run("mkfs.ext4", "-q", "-F", "-m", "0", "-E", "lazy_itable_init=1", self.image)
        self._mount()
        return self

    def _mount(self):
        _run("mount", "-o", "loop", self.image, self.path)
        self.mounted = True

    def cut_power(self):
        """From now on nothing reaches the image. Whoever writes gets an I/O error."""
        root = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(root, EXT4_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(root)

    def restore_power(self):
        """Mounts what was synced. Nobody may have files open there."""
        self._unmount()
        self._mount()

    def _unmount(self):
        deadline = time.monotonic() + UNMOUNT_TIMEOUT_S
        while True:
            try:
                _run("umount", self.path)
                break
            except OSError:  # a process that was just killed may not have let go yet
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        self.mounted = False

    def free_bytes(self):
        """Room that is left."""
        found = os.statvfs(self.path)
        return found.f_bavail * found.f_frsize

    def fill(self, leave_bytes):
        """Takes all room but so much."""
        with open(self.path / "ballast", "ab") as ballast:
            while (excess := self.free_bytes() - leave_bytes) > 0:
                size = os.fstat(ballast.fileno()).st_size
                try:
                    os.posix_fallocate(ballast.fileno(), size, excess)
                except OSError:  # others write meanwhile: what is left is less than it was
                    if excess < 4096 * 16:
                        return
                    self._fill_with_less(ballast, size, excess)

    @staticmethod
    def _fill_with_less(ballast, size, excess):
        while excess > 4096:
            excess //= 2
            try:
                os.posix_fallocate(ballast.fileno(), size, excess)
                return
            except OSError:
                continue

    def empty(self):
        """Gives the room back."""
        (self.path / "ballast").unlink(missing_ok=True)

    def close(self, keep=False):
        """Unmounts it and deletes the image, unless someone wants to look at it."""
        if self.mounted:
            self._unmount()
        if not keep:
            self.image.unlink(missing_ok=True)
