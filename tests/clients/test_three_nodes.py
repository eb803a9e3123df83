"""Any of three nodes takes any request: what one acknowledged, the others know."""

import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.aws import attributes, eventually, receive_all, receive_none, receive_one, refused, sqs_client
from support.dynamodb import dynamodb_client, lease_table, s
from support.kinesis import kinesis_client, wait_active
from support.nodes import Cluster


@pytest.fixture(scope="module")
def cluster_of_three():
    """Three nodes of their own."""
    with Cluster(3) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def three(cluster_of_three):
    """Their clients."""
    return [sqs_client(e) for e in cluster_of_three.endpoints]


@pytest.fixture
def shared(three):
    """A queue made through the first node, by its URL at each."""
    return lambda **a: three[0].create_queue(
        QueueName=f"q-{uuid.uuid4().hex}" + (".fifo" if a else ""), Attributes=a
    )["QueueUrl"]


def test_a_queue_is_known_everywhere_at_once(three):
    for i in range(12):
        name = f"q-{uuid.uuid4().hex}"
        url = three[i % 3].create_queue(QueueName=name)["QueueUrl"]
        for client in three:
            assert client.get_queue_url(QueueName=name)["QueueUrl"].endswith(f"/{name}")
        three[(i + 1) % 3].send_message(QueueUrl=url, MessageBody="x")
        three[(i + 2) % 3].delete_queue(QueueUrl=url)


def test_messages_cross_every_pair_of_nodes(three, shared):
    url = shared()
    for sender in three:
        for receiver in three:
            body = uuid.uuid4().hex
            sender.send_message(QueueUrl=url, MessageBody=body)
            got = receive_one(receiver, url)
            assert got["Body"] == body
            sender.delete_message(QueueUrl=url, ReceiptHandle=got["ReceiptHandle"])
    for client in three:
        receive_none(client, url)


def test_an_empty_answer_means_an_empty_queue(three, shared):
    """A receive without a wait asks every part of the queue before it says that there is nothing."""
    url = shared()
    for i in range(30):
        three[i % 3].send_message(QueueUrl=url, MessageBody=str(i))
        got = three[(i + 1) % 3].receive_message(QueueUrl=url).get("Messages", [])
        assert got, f"message {i} was acknowledged and an empty answer given"
        three[(i + 2) % 3].delete_message(QueueUrl=url, ReceiptHandle=got[0]["ReceiptHandle"])


def test_a_poll_wakes_wherever_the_send_came_in(three, shared):
    url = shared()
    for client in three:  # the first call of a node may have to learn of the queue
        client.send_message(QueueUrl=url, MessageBody="x")
    receive_all(three[0], url, 3)
    with ThreadPoolExecutor(1) as pool:
        for sender in three:
            for receiver in three:
                poll = pool.submit(receiver.receive_message, QueueUrl=url, WaitTimeSeconds=20)
                time.sleep(0.2)
                begun = time.monotonic()
                sender.send_message(QueueUrl=url, MessageBody="x")
                (message,) = poll.result(timeout=30)["Messages"]
                assert time.monotonic() - begun < 1.5
                receiver.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


@pytest.mark.parametrize("attributes", [{}, {"FifoQueue": "true"}], ids=["standard", "fifo"])
def test_no_wake_is_lost_between_nodes(three, shared, attributes):
    """A follower may see a message before its leader does; a poll that it wakes must get it all the same."""
    url = shared(**attributes)
    with ThreadPoolExecutor(1) as pool:
        for turn in range(60):
            sender, receiver = three[turn % 3], three[turn // 3 % 3]
            poll = pool.submit(receiver.receive_message, QueueUrl=url, WaitTimeSeconds=20)
            time.sleep(0.05)
            extra = {"MessageGroupId": f"g{turn}", "MessageDeduplicationId": str(turn)} if attributes else {}
            sender.send_message(QueueUrl=url, MessageBody=str(turn), **extra)
            got = poll.result(timeout=30)
            assert "Messages" in got, f"turn {turn}: the poll ended with nothing"
            receiver.delete_message(QueueUrl=url, ReceiptHandle=got["Messages"][0]["ReceiptHandle"])


def test_fifo_order_holds_through_all_nodes(three, shared):
    url = shared(FifoQueue="true")
    for i in range(60):
        three[i % 3].send_message(
            QueueUrl=url, MessageBody=str(i), MessageGroupId=f"g{i % 2}", MessageDeduplicationId=str(i)
        )
    seen = {"0": [], "1": []}
    for turn in range(200):
        batch = three[turn % 3].receive_message(QueueUrl=url, MaxNumberOfMessages=5, WaitTimeSeconds=1)
        if "Messages" not in batch:
            break
        for m in batch["Messages"]:
            seen[str(int(m["Body"]) % 2)].append(int(m["Body"]))
            three[(turn + 1) % 3].delete_message(QueueUrl=url, ReceiptHandle=m["ReceiptHandle"])
    assert seen == {"0": list(range(0, 60, 2)), "1": list(range(1, 60, 2))}


def test_a_repeated_id_is_known_at_every_node(three, shared):
    url = shared(FifoQueue="true")
    sent = {
        c.send_message(QueueUrl=url, MessageBody="x", MessageGroupId="g", MessageDeduplicationId="1")["MessageId"]
        for c in three
    }
    assert len(sent) == 1
    assert len(three[0].receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]) == 1


def test_attributes_and_tags_agree(three, shared):
    url = shared()
    three[1].set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "77"})
    three[2].tag_queue(QueueUrl=url, Tags={"a": "b"})
    for client in three:
        eventually(lambda c=client: attributes(c, url, "VisibilityTimeout")["VisibilityTimeout"] == "77", timeout_s=3)
        eventually(lambda c=client: c.list_queue_tags(QueueUrl=url).get("Tags") == {"a": "b"}, timeout_s=3)


def test_counts_are_the_whole_queues(three, shared):
    url = shared()
    for i in range(30):
        three[i % 3].send_message(QueueUrl=url, MessageBody=str(i))
    name = "ApproximateNumberOfMessages"
    for client in three:
        eventually(lambda c=client: attributes(c, url, name)[name] == "30", timeout_s=3)
    assert len(receive_all(three[1], url, 30)) == 30


def test_a_purge_reaches_every_part(three, shared):
    url = shared()
    for i in range(30):
        three[i % 3].send_message(QueueUrl=url, MessageBody=str(i))
    three[0].purge_queue(QueueUrl=url)
    for client in three:
        receive_none(client, url)


def test_lists_agree(three):
    prefix = f"l{uuid.uuid4().hex[:8]}"
    for i in range(6):
        three[i % 3].create_queue(QueueName=f"{prefix}-{i}")
    lists = [sorted(u.rsplit("/", 1)[1] for u in c.list_queues(QueueNamePrefix=prefix)["QueueUrls"]) for c in three]
    assert lists[0] == lists[1] == lists[2] == [f"{prefix}-{i}" for i in range(6)]


def test_a_table_of_a_name_that_was_taken_again_is_known_everywhere_at_once(cluster_of_three):
    """A node that stood still meanwhile has not heard of it when it goes on, and finds the table that it knew gone."""
    tables = [dynamodb_client(e) for e in cluster_of_three.endpoints]
    name = f"t-{uuid.uuid4().hex}"
    lease_table(tables[0], name)
    with ThreadPoolExecutor(1) as pool:
        for i in range(6):
            late, behind = tables[i % 3], cluster_of_three.nodes[i % 3]
            maker, other = tables[(i + 1) % 3], tables[(i + 2) % 3]
            late.put_item(TableName=name, Item={"leaseKey": s("old")})
            behind.pause()
            try:
                maker.delete_table(TableName=name)
                lease_table(maker, name)
                put = pool.submit(late.put_item, TableName=name, Item={"leaseKey": s(str(i))})
                time.sleep(0.2)  # so that the request is there when the node goes on
            finally:
                behind.resume()
            put.result(timeout=30)
            assert other.get_item(TableName=name, Key={"leaseKey": s(str(i))})["Item"] == {"leaseKey": s(str(i))}
            assert "Item" not in other.get_item(TableName=name, Key={"leaseKey": s("old")})


def test_a_subscription_is_taken_over_by_way_of_another_node(cluster_of_three):
    first, second, third = (kinesis_client(e) for e in cluster_of_three.endpoints)
    name, shard = f"s-{uuid.uuid4().hex[:20]}", "shardId-000000000000"
    first.create_stream(StreamName=name, ShardCount=1)
    arn = wait_active(first, name)["StreamARN"]
    consumer = first.register_stream_consumer(StreamARN=arn, ConsumerName="c")["Consumer"]["ConsumerARN"]
    described = lambda: first.describe_stream_consumer(ConsumerARN=consumer)["ConsumerDescription"]  # noqa: E731
    eventually(lambda: described()["ConsumerStatus"] == "ACTIVE", timeout_s=15)

    def subscribe(kinesis):
        start = {"Type": "TRIM_HORIZON"}
        answer = kinesis.subscribe_to_shard(ConsumerARN=consumer, ShardId=shard, StartingPosition=start)
        return answer["EventStream"]

    def subscribed(kinesis):
        """A subscription, once the one before is no more too young."""
        deadline = time.monotonic() + 30
        while True:
            try:
                return subscribe(kinesis)
            except kinesis.exceptions.ResourceInUseException:
                assert time.monotonic() < deadline
                time.sleep(0.1)

    pushed = subscribe(first)
    with refused("ResourceInUseException"):
        subscribe(second)
    taken_over = subscribed(second)
    # It ends in good order, as after its five minutes; what it had sent may still come.
    for event in pushed:
        assert "SubscribeToShardEvent" in event
    with refused("ResourceInUseException"):
        subscribe(third)
    third.put_record(StreamName=name, Data=b"x", PartitionKey="k")
    records = (event["SubscribeToShardEvent"]["Records"] for event in taken_over)
    assert [r["Data"] for r in next(found for found in records if found)] == [b"x"]
    taken_over.close()
    third.delete_stream(StreamName=name, EnforceConsumerDeletion=True)
