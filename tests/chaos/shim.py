"""A wall clock and a disk that a test can make wrong: see shim.c."""

import mmap
import os
import struct
import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_name("shim.c")
CONTROL = struct.Struct("qq")


def build(directory):
    """Compiles the library and gives its path; OSError says why not."""
    library = Path(directory) / "shim.so"
    command = [os.environ.get("CC", "cc"), "-O2", "-Wall", "-Werror", "-shared", "-fPIC", str(SOURCE)]
    done = subprocess.run([*command, "-o", str(library), "-ldl"], capture_output=True, text=True)
    if done.returncode:
        raise OSError(f"{' '.join(command)}: {done.stderr.strip()}")
    return library


class Shim:
    """The numbers that one node's process reads."""

    def __init__(self, library, path):
        self.library, self.path = library, Path(path)
        self.path.write_bytes(bytes(CONTROL.size))
        with open(self.path, "r+b") as file:
            self.shared = mmap.mmap(file.fileno(), CONTROL.size)

    def environment(self):
        """What the process must be started with."""
        return {"LD_PRELOAD": str(self.library), "CHAOS_CONTROL": str(self.path)}

    def set(self, clock_offset_s=0.0, sync_delay_s=0.0):
        """Takes effect at once; without arguments, everything is right again."""
        self.shared[:] = CONTROL.pack(int(clock_offset_s * 1e9), int(sync_delay_s * 1e9))
