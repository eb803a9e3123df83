"""Bits that flip in the files of a stopped node. The others are a majority, so it must be whole again by itself."""

import os

from chaos.faults.base import Fault


class Damage(Fault):
    """kill -9 of one node, and 1 to 8 bits of one file under `folder` are flipped before it starts again."""

    folder = ""

    def draw(self, source):
        self.hold_s = source.uniform(0, 2)
        self.which = source.random()
        self.places = [(source.random(), source.randrange(8)) for _ in range(source.randrange(1, 9))]

    def describe(self):
        return f"{len(self.places)} bits under {self.folder}/ of n{self.number}"

    def inject(self):
        self.node.kill()
        files = sorted(p for p in (self.node.data_dir / self.folder).rglob("*") if p.is_file() and p.stat().st_size)
        if not files:
            self.notes.append("there was no file")
            return
        path = files[int(self.which * len(files))]
        size = written_bytes(path)
        with open(path, "r+b") as file:
            for where, bit in self.places:
                offset = int(where * size)
                byte = os.pread(file.fileno(), 1, offset)[0]
                os.pwrite(file.fileno(), bytes([byte ^ 1 << bit]), offset)
        self.notes.append(f"{path.relative_to(self.node.data_dir)}, {size} bytes")

    def heal(self):
        self.start(self.node)


def written_bytes(path):
    """The size of a file without the zeros at its end, in which a flipped bit would prove nothing."""
    content = path.read_bytes().rstrip(b"\0")
    return max(1, len(content))


class DamagedLog(Damage):
    """In the Raft log."""

    name, weight, folder = "flip-log", 1, "log"


class DamagedBlocks(Damage):
    """In the segments that hold payloads."""

    name, weight, folder = "flip-blocks", 1, "blocks"


class DamagedCheckpoints(Damage):
    """In sled's files."""

    name, weight, folder = "flip-checkpoint", 1, "checkpoints"


KINDS = (DamagedLog, DamagedBlocks, DamagedCheckpoints)
