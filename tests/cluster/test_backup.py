"""A backup of a live cluster under load, and what is made from it."""

import json
import time
import uuid

import pytest
from support.nodes import Cluster, Node, free_ports
from support.operate import address, levada, refused, spare_node, status
from support.sqs import Client, ServiceError, Unknown
from support.workload import Load

MESSAGES = 200


@pytest.fixture(scope="module")
def cluster():
    """Three nodes for the whole module."""
    with Cluster(3) as nodes:
        yield nodes


def fill(cluster, name):
    """A standard and a FIFO queue, and bodies in them that were acknowledged."""
    client = Client(cluster.endpoints[0])
    kept = {}
    for queue, attributes in ((f"{name}-plain", {}), (f"{name}-fifo.fifo", {"FifoQueue": "true"})):
        url = client.call("CreateQueue", QueueName=queue, Attributes=attributes)["QueueUrl"]
        kept[queue] = []
        for start in range(0, MESSAGES, 10):
            entries = []
            for n in range(start, start + 10):
                # Long enough that messages leave memory for blocks.
                entry = {"Id": str(n), "MessageBody": f"{n} " + "x" * 4000}
                if attributes:
                    entry |= {"MessageGroupId": f"g{n % 3}", "MessageDeduplicationId": str(n)}
                entries.append(entry)
            answer = client.call("SendMessageBatch", QueueUrl=url, Entries=entries)
            assert len(answer["Successful"]) == 10
            kept[queue] += [entry["MessageBody"] for entry in entries]
    client.close()
    return kept


def drain(endpoint, queue):
    """Every body in the queue, in the order in which it came."""
    client = Client(endpoint, timeout_s=30)
    url = patiently(client, "GetQueueUrl", QueueName=queue)["QueueUrl"]
    bodies, empty = {}, 0  # by message id: a delete without an answer may bring one again
    while empty < 3:
        answer = patiently(client, "ReceiveMessage", QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        batch = answer.get("Messages") or []
        empty = 0 if batch else empty + 1
        for message in batch:
            bodies.setdefault(message["MessageId"], message["Body"])
        if batch:
            entries = [{"Id": str(i), "ReceiptHandle": m["ReceiptHandle"]} for i, m in enumerate(batch)]
            patiently(client, "DeleteMessageBatch", QueueUrl=url, Entries=entries)
    client.close()
    return list(bodies.values())


def patiently(client, action, tries=10, **parameters):
    """A call that is repeated while an election goes on."""
    for left in reversed(range(tries)):
        try:
            return client.call(action, **parameters)
        except (ServiceError, Unknown):
            if not left:
                raise
            time.sleep(0.5)


def check(endpoint, kept):
    """All of it is there; FIFO within each group in order."""
    for queue, expected in kept.items():
        found = drain(endpoint, queue)
        assert sorted(found) == sorted(expected), f"{queue}: {len(found)} of {len(expected)}"
        if queue.endswith(".fifo"):
            for group in range(3):
                of_group = [int(body.split()[0]) for body in found if int(body.split()[0]) % 3 == group]
                assert of_group == sorted(of_group)


def test_what_was_acknowledged_before_a_backup_under_load_is_in_it(cluster, tmp_path):
    kept = fill(cluster, f"b{uuid.uuid4().hex[:6]}")
    backup = tmp_path / "backup"
    with Load(cluster.endpoints, f"l{uuid.uuid4().hex[:6]}") as load:
        time.sleep(1)
        said = levada("backup", "--to", backup, endpoint=cluster.endpoints[1])
        assert "is a whole backup" in said.stdout and "the catalog" in said.stderr
        wrong = load.drain()
        assert not wrong, wrong
    assert "nothing is ever written over" in refused("backup", "--to", backup, endpoint=cluster.endpoints[1])
    manifest = json.loads((backup / "manifest.json").read_text())
    assert manifest["format_version"] == 1 and len(manifest["partitions"]) == 25
    assert sum(p["blocks"] for p in manifest["partitions"]) > 0

    # For a single node.
    alone = Node(tmp_path / "alone", free_ports(1)[0])
    assert "not empty" in refused("restore", "--from", backup, "--data", cluster.nodes[0].data_dir)
    assert "new cluster" in levada("restore", "--from", backup, "--data", alone.data_dir).stdout
    try:
        alone.start()
        check(alone.endpoint, kept)
        # It goes on as any node: what is sent now survives a kill.
        client = Client(alone.endpoint)
        url = client.call("CreateQueue", QueueName="after")["QueueUrl"]
        client.call("SendMessage", QueueUrl=url, MessageBody="after")
        client.close()
        alone.kill()
        alone.start()
        assert drain(alone.endpoint, "after") == ["after"]
    finally:
        alone.kill()

    # A backup that was damaged is refused, and leaves nothing.
    largest = max(manifest["partitions"], key=lambda p: p["bytes"])
    file = backup / largest["file"]
    whole = file.read_bytes()
    file.write_bytes(whole[:-10] + bytes([whole[-10] ^ 1]) + whole[-9:])
    assert "is not a whole backup" in refused("restore", "--from", backup, "--data", tmp_path / "damaged")
    assert not (tmp_path / "damaged").exists()
    file.write_bytes(whole)

    # For the first node of a new cluster, which others join.
    http_port, peer_port = free_ports(2)
    first = Node(tmp_path / "first", http_port, peer_port, [f"127.0.0.1:{peer_port}"])
    levada("restore", "--from", backup, "--data", first.data_dir, "--peers-address", address(first))
    grown = Cluster(1, tmp_path / "grown")
    grown.nodes = [first]
    try:
        first.start()
        for _ in range(2):
            newcomer = spare_node(grown)
            levada("cluster", "add", address(newcomer), endpoint=first.endpoint)
            newcomer.launch()
            levada("cluster", "wait", endpoint=first.endpoint)
            newcomer.wait_ready()
            grown.nodes.append(newcomer)
        grown.wait_whole()
        first.kill()
        third = grown.nodes[2].wait_ready()
        assert len(status(third)["members"]) == 3
        check(third.endpoint, kept)
    finally:
        grown.close()
