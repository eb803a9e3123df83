"""The commands of docs/operations.md, run as they are written: on other ports, in a directory of their own."""

import os
import pathlib
import re
import signal
import subprocess

from support import nodes
from support.store import Store

ROOT = pathlib.Path(__file__).resolve().parents[2]
WALK_TIMEOUT_S = 300
# Far from the defaults and from the README's test.
PORT_OFFSET = 11_000
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def moved(text, store):
    """The block with other ports, and another store."""
    text = text.replace("https://s3.example.com", store)
    # A doctor that warns, as it does of an empty disk's neighbour, must not end the walk.
    text = re.sub(r"^(levada doctor[^#\n]*)", r"\1 || [ $? = 3 ] ", text, flags=re.MULTILINE)
    return re.sub(r"127\.0\.0\.1:(456[6-9]|710[1-4])", lambda m: f"127.0.0.1:{int(m[1]) + PORT_OFFSET}", text)


def test_the_walk(tmp_path):
    """One shell from the first block to the last."""
    (tmp_path / "store").mkdir()
    with Store(tmp_path / "store") as store:
        run_the_document(tmp_path, store)
        assert "manifest.json" in store.objects("levada/2026-11-24")


def run_the_document(tmp_path, store):
    blocks = [moved(text, store.endpoint) for text in BLOCK.findall((ROOT / "docs/operations.md").read_text())]
    assert len(blocks) >= 7
    commands = tmp_path / "bin"
    commands.mkdir()
    (commands / "levada").symlink_to(nodes.binary())
    env = {name: value for name, value in os.environ.items() if not name.startswith("LEVADA_")}
    env.update(store.environment)
    env.update(
        LEVADA_BIN=str(nodes.binary()),
        LEVADA_CLUSTER_DIR=str(tmp_path / "cluster"),
        LEVADA_PORT_OFFSET=str(PORT_OFFSET),
        LEVADA_ENDPOINT=f"http://127.0.0.1:{4566 + PORT_OFFSET}",
        PATH=os.pathsep.join([str(commands), os.environ["PATH"]]),
    )
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts/cluster").write_text(f'#!/bin/sh\nexec "{ROOT}/scripts/cluster" "$@"\n')
    (tmp_path / "scripts/cluster").chmod(0o755)
    script = "\n".join(["set -x", "scripts/cluster up", *blocks, "wait %2 || true"])
    shell = {"cwd": tmp_path, "env": env, "text": True, "stdin": subprocess.DEVNULL}
    log = tmp_path / "walk.log"
    with open(log, "wb") as out:
        walk = subprocess.Popen(["bash", "-euc", script], stdout=out, stderr=out, start_new_session=True, **shell)
        try:
            code = walk.wait(WALK_TIMEOUT_S)
        finally:
            try:
                os.killpg(walk.pid, signal.SIGKILL)  # the fourth node, if it is still there; the group is this test's
            except ProcessLookupError:
                pass
            subprocess.run(["scripts/cluster", "down"], capture_output=True, timeout=60, **shell)
    said = log.read_text()
    # A doctor that warns, as it does of an empty disk's neighbour, is no failure of the walk.
    assert code in (0, 3), said
    for words in ("is led by", "as preferred", "leads nothing", "is out", "is replaced", "is a whole backup", "new cluster"):
        assert words in said, f"{words!r} is missing in\n{said}"
