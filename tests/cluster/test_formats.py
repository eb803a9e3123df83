"""Every data format that a released version wrote can be read, and a newer one is refused in words.

A fixture is a node's directory with something of everything, and what must be found in it (`scripts/format-fixture`).
It was written with the clock at 2100: time goes on from there, and nothing in it has expired.
"""

import json
import tarfile

import pytest
from support.nodes import ROOT, Node, free_ports
from support.sqs import Client

FIXTURES = sorted((ROOT / "tests" / "fixtures").glob("format-*"))
# The format that this version writes has a fixture: who raises it makes one, before the release.
WRITTEN = int(
    next(
        line.split("=")[1].strip(" ;")
        for line in (ROOT / "crates" / "storage" / "src" / "identity.rs").read_text().splitlines()
        if line.startswith("pub const FORMAT_VERSION: u32")
    )
)


@pytest.fixture(params=FIXTURES, ids=lambda path: path.name)
def found(request, tmp_path):
    """A node that has not started on a fixture's directory, and what it should find."""
    node = Node(tmp_path / "n1", free_ports(1)[0])
    with tarfile.open(request.param / "data.tar.xz") as archive:
        archive.extractall(node.directory, filter="data")
    yield node, json.loads((request.param / "expected.json").read_text())
    node.kill()


def test_every_format_up_to_the_present_one_has_a_fixture():
    assert [path.name for path in FIXTURES] == [f"format-{n}" for n in range(1, WRITTEN + 1)]


def test_what_a_released_version_wrote_is_found(found):
    node, expected = found
    # Twice: what the start has made of it must be readable as well.
    for _ in range(2):
        node.start()
        look(Client(node.endpoint, timeout_s=30), expected)
        node.kill()
    node.start()
    use_up(Client(node.endpoint, timeout_s=30), expected)


def url(client, name):
    """A queue's URL."""
    return client.call("GetQueueUrl", QueueName=name)["QueueUrl"]


def counts(client, name):
    """Messages that are ready, in flight and delayed."""
    names = [f"ApproximateNumberOfMessages{s}" for s in ("", "NotVisible", "Delayed")]
    read = client.call("GetQueueAttributes", QueueUrl=url(client, name), AttributeNames=names)["Attributes"]
    return [int(read[n]) for n in names]


def bodies(client, name, visibility=0, **more):
    """What can be received, once each; given back at once without a visibility."""
    got, empty = {}, 0
    while empty < 3:
        answer = client.call(
            "ReceiveMessage", QueueUrl=url(client, name), MaxNumberOfMessages=10, VisibilityTimeout=visibility or 30, **more
        )
        batch = answer.get("Messages", [])
        empty = 0 if batch else empty + 1
        for message in batch:
            got[message["Body"]] = message
    if not visibility:
        for message in got.values():
            client.call(
                "ChangeMessageVisibility", QueueUrl=url(client, name), ReceiptHandle=message["ReceiptHandle"],
                VisibilityTimeout=0,
            )
    return got


def look(client, expected):
    """What is there, and in which state; leaves it so."""
    listed = {u.rsplit("/", 1)[1] for u in client.call("ListQueues")["QueueUrls"]}
    assert listed == {"large", "plain", "delayed", "in-flight", "order.fifo", "dead", "source"}
    assert counts(client, "large") == [len(expected["large"]), 0, 0]
    assert counts(client, "plain") == [len(expected["plain"]), 0, 0]
    assert counts(client, "delayed") == [0, 0, len(expected["delayed"])]
    assert counts(client, "in-flight") == [len(expected["waiting"]), len(expected["in_flight"]), 0]
    assert counts(client, "dead") == [len(expected["dead"]), 0, 0]
    assert counts(client, "source") == [0, 0, 0]
    attributes = client.call("GetQueueAttributes", QueueUrl=url(client, "plain"), AttributeNames=["All"])["Attributes"]
    assert attributes["VisibilityTimeout"] == "45"
    assert client.call("ListQueueTags", QueueUrl=url(client, "plain"))["Tags"] == {"team": "sales"}
    large = client.call("GetQueueAttributes", QueueUrl=url(client, "large"), AttributeNames=["All"])["Attributes"]
    assert large["MessageRetentionPeriod"] == "1209600"


def use_up(client, expected):
    """Every message comes as it was sent, and what was held can be deleted by the receipt handle of then."""
    assert sorted(body.split()[0] for body in bodies(client, "large")) == sorted(expected["large"])
    assert all(len(body) > 1_000_000 for body in bodies(client, "large"))
    plain = bodies(client, "plain", MessageAttributeNames=["All"])
    assert sorted(plain) == sorted(expected["plain"])
    assert {m["MessageAttributes"]["kind"]["StringValue"] for m in plain.values()} == {"an order"}
    assert sorted(bodies(client, "dead")) == sorted(expected["dead"])
    assert sorted(bodies(client, "in-flight")) == sorted(expected["waiting"])
    for handle in expected["in_flight"].values():
        client.call("DeleteMessage", QueueUrl=url(client, "in-flight"), ReceiptHandle=handle)
    assert counts(client, "in-flight") == [len(expected["waiting"]), 0, 0]
    use_up_fifo(client, expected)
    client.call("SendMessage", QueueUrl=url(client, "plain"), MessageBody="new")
    assert "new" in bodies(client, "plain")
    client.close()


def use_up_fifo(client, expected):
    """The held group waits for its first message; the deduplication ids are remembered."""
    fifo, held_group, where = expected["fifo"], expected["held_group"], url(client, "order.fifo")
    again = {"MessageGroupId": held_group, "MessageDeduplicationId": "d0", "MessageBody": "step 0"}
    client.call("SendMessage", QueueUrl=where, **again)
    seen = []
    while True:
        batch = client.call("ReceiveMessage", QueueUrl=where, MaxNumberOfMessages=10).get("Messages", [])
        if not batch and held_group is None:
            break
        for message in batch:
            seen.append(message["Body"])
            client.call("DeleteMessage", QueueUrl=where, ReceiptHandle=message["ReceiptHandle"])
        if not batch:
            # Everything else is gone. Now the held one, by the handle of then.
            assert not set(seen) & set(fifo[held_group])
            for body, handle in expected["held"].items():
                client.call("DeleteMessage", QueueUrl=where, ReceiptHandle=handle)
                seen.append(body)
            held_group = None
    for group, sent in fifo.items():
        assert [body for body in seen if body in sent] == sent, group


def test_a_newer_format_is_refused_and_left_as_it_is(tmp_path):
    node = Node(tmp_path / "n1", free_ports(1)[0])
    node.data_dir.mkdir()
    newer = {"format_version": WRITTEN + 1, "something": "else"}
    (node.data_dir / "node.json").write_text(json.dumps(newer))
    node.launch()
    assert node.process.wait(30) == 1
    assert f"has format version {WRITTEN + 1} and this version reads up to {WRITTEN}" in node.log_text()
    assert json.loads((node.data_dir / "node.json").read_text()) == newer
