"""docs/agent.md's commands, run as they are written: against another port, in a directory of their own, with the binary under
test."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.nodes import Cluster, binary

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```(sh|python|json)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND_TIMEOUT_S = 120


def script(text, port):
    """One shell from the first block to the last; a JSON block is the file of which the text speaks."""
    lines = ['levada() { "$LEVADA_BIN" "$@"; }']
    for language, block in BLOCK.findall(text):
        block = block.replace("127.0.0.1:4566", f"127.0.0.1:{port}")
        # Of a function in the background $! would be the shell that runs it.
        block = block.replace("levada agent --config agent.toml &", '"$LEVADA_BIN" agent --config agent.toml &')
        wrapped = {"sh": "{}", "python": "python - <<'END'\n{}END", "json": "cat > agent.json <<'END'\n{}END"}
        lines.append(wrapped[language].format(block))
    return "\n".join(lines)


def test_the_walk(tmp_path):
    if os.environ.get("LEVADA_TEST_ENDPOINT"):
        pytest.skip("runs processes of ours")
    env = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "LEVADA_"))}
    env.update(
        LEVADA_BIN=str(binary()),
        AWS_CONFIG_FILE=os.devnull,
        PATH=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
    )
    with Cluster(1) as cluster:
        words = script((ROOT / "docs/agent.md").read_text(), cluster.nodes[0].http_port)
        # Whatever happens, the agent in the background does not outlive its shell.
        words = "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n" + words
        done = subprocess.run(
            ["bash", "-euc", words], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=COMMAND_TIMEOUT_S
        )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert '"text":"first"}\n{"host":"web-1","text":"second"}' in done.stdout
    assert "logs/*.log to stream logs: 1 files now" in done.stdout
    assert "/var/log/httpd/access_log* to stream logs" in done.stdout
    assert "2 records and" in done.stderr
