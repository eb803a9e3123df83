"""The README's commands, run as they are written: on other ports, in a directory of their own, with the binary under test."""

import os
import pathlib
import re
import subprocess
import sys

import pytest
from support import nodes

ROOT = pathlib.Path(__file__).resolve().parents[2]
COMMAND_TIMEOUT_S = 120
# Far from the defaults, so that a cluster which somebody runs beside the tests is left alone.
PORT_OFFSET = 10_000

BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks():
    """(language, text) of each fenced block, in the README's order."""
    return BLOCK.findall((ROOT / "README.md").read_text())


def moved(text):
    """The block with other ports, and with the binary under test."""
    text = re.sub(r"127\.0\.0\.1:(456[678])", lambda m: f"127.0.0.1:{int(m[1]) + PORT_OFFSET}", text)
    return text.replace("cargo run --release --quiet --", '"$LEVADA_BIN"')


def test_the_first_commands_are_the_ones_that_exist():
    """They would build, run every test, or never end; so what they name is looked at."""
    commands = [line.split("#")[0].strip() for line in blocks()[0][1].splitlines()]
    assert commands == ["cargo run --release -- serve", "scripts/test", "scripts/cluster up"]
    for script in ("scripts/test", "scripts/cluster"):
        assert os.access(ROOT / script, os.X_OK)


def test_the_walk(tmp_path):
    """One shell from the first block to the last, as a reader has it; ports, paths and the binary aside, nothing is set but by the README."""
    if os.environ.get("LEVADA_TEST_ENDPOINT"):
        pytest.skip("runs processes of ours")
    script = ["scripts/cluster up"]
    for language, text in blocks()[1:]:
        script.append(moved(text) if language == "sh" else f"python - <<'END'\n{moved(text)}END")
    env = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "LEVADA_"))}
    env.update(
        LEVADA_BIN=str(nodes.binary()),
        LEVADA_CLUSTER_DIR=str(tmp_path / "cluster"),
        LEVADA_PORT_OFFSET=str(PORT_OFFSET),
        LEVADA_ENDPOINT=f"http://127.0.0.1:{4566 + PORT_OFFSET}",
        AWS_CONFIG_FILE=os.devnull,
        AWS_SHARED_CREDENTIALS_FILE=os.devnull,
        PATH=os.pathsep.join([str(pathlib.Path(sys.executable).parent), os.environ["PATH"]]),
    )
    shell = {"cwd": ROOT, "env": env, "capture_output": True, "text": True, "timeout": COMMAND_TIMEOUT_S}
    try:
        done = subprocess.run(["bash", "-euc", "\n".join(script)], **shell)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    finally:
        if (tmp_path / "cluster").exists():
            subprocess.run(["scripts/cluster", "down"], **shell)
    assert "MessageId" in done.stdout
    assert '"Body": "hello"' in done.stdout
    assert re.search("^(hello|from Python)$", done.stdout, re.MULTILINE)
