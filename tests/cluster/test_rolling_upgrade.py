"""Members of two versions at once: restarted in turn under load, on and back, with nothing lost.

LEVADA_BIN_OLD names the older binary. Without it the present one stands in for its predecessor, under another version
number where that can be written into a copy.
"""

import os
import subprocess
import time
import uuid
from pathlib import Path

import pytest
from support.nodes import Cluster, binary
from support.operate import levada
from support.workload import Load

DRAIN_TIMEOUT_S = 60


def version_of(path):
    """What a binary says of itself."""
    return subprocess.run([path, "version"], check=True, capture_output=True, text=True).stdout.split()[1]


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    """The older binary."""
    named = os.environ.get("LEVADA_BIN_OLD")
    if named:
        return Path(named).resolve()
    now = version_of(binary())
    before = "".join("9" if c == "0" else c for c in now)
    copy = tmp_path_factory.mktemp("old") / "levada"
    copy.write_bytes(binary().read_bytes().replace(now.encode(), before.encode()))
    copy.chmod(0o755)
    return copy


def versions(cluster):
    """What the members say of themselves, by `levada doctor`."""
    return levada("doctor", endpoint=cluster.endpoints[0], check=False).stdout


def test_members_are_upgraded_one_after_the_other_and_back(old):
    cluster = Cluster(3)
    for node in cluster.nodes:
        node.binary = old
    with cluster, Load(cluster.endpoints, f"u{uuid.uuid4().hex[:8]}") as load:
        mixed = None
        for target in (binary(), old, binary()):
            for node in cluster.nodes:
                assert node.stop(), node.log_tail()
                node.binary = target
                node.start()
                cluster.wait_whole()
                time.sleep(0.5)  # some work with these members
                mixed = mixed or versions(cluster)
        wrong = load.drain(DRAIN_TIMEOUT_S)
        print(load.summary())
        assert not wrong, "\n".join(wrong) + "\n" + cluster.logs(15)
        assert "finish the upgrade" not in versions(cluster)
        if version_of(old) != version_of(binary()):
            assert "the members run versions" in mixed and "finish the upgrade" in mixed, mixed


def test_operations_wait_until_the_upgrade_is_over(old):
    cluster = Cluster(3)
    cluster.nodes[2].binary = old
    with cluster:
        if version_of(old) == version_of(binary()) or "finish the upgrade" not in versions(cluster):
            pytest.skip("no binary of another version: set LEVADA_BIN_OLD")
        for words in (("add", "127.0.0.1:19998"), ("remove", f"127.0.0.1:{cluster.nodes[1].peer_port}")):
            said = levada("cluster", *words, endpoint=cluster.endpoints[0], check=False)
            assert said.returncode == 1 and "finish the upgrade first" in said.stderr, said.stderr
