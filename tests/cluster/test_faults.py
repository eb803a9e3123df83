"""Three real processes under load, and one fault of each kind. The long form is scripts/chaos.

Each test: sends and receives through all three nodes, the fault, then everything is drained and checked:
every acknowledged message was received, FIFO order held, no deduplication id came twice, nothing came after
its delete was acknowledged, and the queues end empty; every acknowledged record of the stream was read by every reader
at its sequence number, and in order.
"""

import time
import uuid

import pytest
from chaos import faults
from support.nodes import Cluster
from support.sqs import Client, ServiceError, Unknown
from support.workload import Load

DRAIN_TIMEOUT_S = 45


@pytest.fixture(scope="module")
def cluster():
    """Three nodes that the whole module torments."""
    with Cluster(3) as nodes:
        yield nodes


@pytest.fixture
def load(cluster):
    """Work on two new queues and a new stream, through all nodes."""
    for node in cluster.nodes:  # a test that failed may have left one down
        node.resume()
        if not node.alive():
            node.launch()
    cluster.wait_whole()
    with Load(cluster.endpoints, f"f{uuid.uuid4().hex[:8]}", stream=True) as work:
        yield work


def check(load, cluster, *done):
    """Prints what the faults cost, drains, and holds the ledger against what was seen."""
    for fault in done:
        print(fault.row())
    wrong = load.drain(DRAIN_TIMEOUT_S)
    print(load.summary())
    assert not wrong, "\n".join(wrong) + "\n" + cluster.logs(15)
    sent = load.standard.sent, load.fifo.sent, load.judge.stream.put
    assert min(sent) > 20, f"too little was sent to mean anything: {sent}"


def test_each_node_is_killed_in_turn(cluster, load):
    done = [faults.apply(cluster, load, "kill", n, down_s=2) for n in (1, 2, 3)]
    check(load, cluster, *done)
    # Bounds for a busy machine; docs/benchmarks.md has what a quiet one does.
    assert max(f.standard_pause_s for f in done) < 3
    assert max(f.fifo_pause_s for f in done) < 5


def test_all_nodes_are_killed_at_once(cluster, load):
    check(load, cluster, faults.apply(cluster, load, "kill-all", 0, down_s=0.5))


def test_each_node_is_paused_and_resumed(cluster, load):
    done = [faults.apply(cluster, load, "pause", n, down_s=4) for n in (1, 2, 3)]
    check(load, cluster, *done)
    assert max(f.standard_pause_s for f in done) < 4
    assert max(f.fifo_pause_s for f in done) < 5


def test_shards_are_split_and_merged_while_nodes_die(cluster, load):
    kinds = ("split-merge", "shard-count", "reshard-kill", "reshard-kill")
    done = [faults.apply(cluster, load, kind, 1 + n % 3, down_s=1) for n, kind in enumerate(kinds)]
    check(load, cluster, *done)
    ledger = load.judge.stream
    assert len(ledger.shards) > 4 and ledger.ends, "no shard was ever replaced"


def test_a_rolling_restart_in_good_order(cluster, load):
    check(load, cluster, faults.apply(cluster, load, "rolling", 0, down_s=0))


def test_a_wiped_node_rejoins_and_becomes_whole(cluster, load):
    """Whole means: the cluster now lives without one of the others, which it can only with the newcomer."""
    wiped = faults.apply(cluster, load, "wipe", 2, down_s=1, settle_s=2)
    killed = faults.apply(cluster, load, "kill", 1, down_s=3)
    check(load, cluster, wiped, killed)
    assert killed.standard_pause_s < 3, "without node 1 the cluster stood still: node 2 is not whole"


def test_the_last_two_nodes_of_three_are_wiped_one_after_the_other(cluster, load):
    done = [faults.apply(cluster, load, "wipe", n, down_s=0.5) for n in (1, 3)]
    check(load, cluster, *done)


def test_without_a_majority_nothing_is_acknowledged_and_nothing_lost(cluster, load):
    time.sleep(1)
    for node in cluster.nodes[1:]:
        node.kill()
    time.sleep(1)
    begun = time.monotonic()
    client = Client(cluster.endpoints[0], timeout_s=5)
    with pytest.raises((ServiceError, Unknown)):
        client.call("SendMessage", QueueUrl=load.standard_url, MessageBody="nobody can keep this")
    assert time.monotonic() - begun < 8
    for node in cluster.nodes[1:]:
        node.launch()
    for node in cluster.nodes:
        node.wait_ready()
    check(load, cluster)
