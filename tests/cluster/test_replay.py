"""Replays of an archive by three processes, of which the one that carries them out is killed."""

import json
from concurrent.futures import ThreadPoolExecutor

from support.aws import arn_of, eventually, receive_all, sqs_client
from support.nodes import Cluster
from support.operate import levada, name, status
from support.sns import document, sns_client, subscribe, subscription_attributes, topic_attributes

TOPIC = "kept.fifo"
GROUPS = 4
KEPT = 3_000
ALL = 3_400
# A request whose node is gone, or whose outcome nobody knows, is sent again; the ids tell duplicates.
RETRIES = {"retries": {"total_max_attempts": 20, "mode": "standard"}}


def publish(sns, topic, numbers):
    """In batches of one group each, so that a batch that is sent again is in order."""
    for group in range(GROUPS):
        of_group = [n for n in numbers if n % GROUPS == group]
        for first in range(0, len(of_group), 10):
            entries = [
                {
                    "Id": str(n),
                    "Message": str(n),
                    "MessageGroupId": str(group),
                    "MessageDeduplicationId": str(n),
                }
                for n in of_group[first : first + 10]
            ]
            done = sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)
            assert not done.get("Failed"), done


def test_a_replay_survives_who_carries_it_out():
    with Cluster(3) as cluster:
        sns, sqs = sns_client(cluster.endpoints[0]), sqs_client(cluster.endpoints[0])
        archive = {"FifoTopic": "true", "ArchivePolicy": '{"MessageRetentionPeriod": "1"}'}
        topic = sns.create_topic(Name=TOPIC, Attributes=archive)["TopicArn"]
        queue = sqs.create_queue(QueueName="late.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
        queue = queue.removeprefix(cluster.endpoints[0])
        publish(sns, topic, range(KEPT))
        shown = json.loads(levada("topics", "show", TOPIC, "--json", endpoint=cluster.endpoints[0]).stdout)
        (partition,) = shown["partitions"]
        leaders = {p["partition"]: p["leader"] for p in status(cluster.nodes[0])["partitions"]}
        (leader,) = [node for node in cluster.nodes if name(node) == leaders[partition]]
        one, other = [node.endpoint for node in cluster.nodes if node is not leader]
        sns, sqs = sns_client(one, **RETRIES), sqs_client(other, **RETRIES)
        start = topic_attributes(sns, topic)["BeginningArchiveTime"]
        policy = json.dumps({"PointType": "Timestamp", "StartingPoint": start})
        with ThreadPoolExecutor(1) as pool:
            publishing = pool.submit(publish, sns_client(other, **RETRIES), topic, range(KEPT, ALL))
            arn = subscribe(sns, topic, arn_of(sqs, other + queue), ReplayPolicy=policy)
            leader.kill()
            got = receive_all(sqs, other + queue, ALL, timeout_s=180)
            publishing.result()
        numbers = [int(document(message)["Message"]) for message in got]
        assert sorted(numbers) == list(range(ALL))
        for group in range(GROUPS):
            assert [n for n in numbers if n % GROUPS == group] == list(range(group, ALL, GROUPS))
        eventually(lambda: subscription_attributes(sns, arn)["ReplayStatus"] == "Completed")
