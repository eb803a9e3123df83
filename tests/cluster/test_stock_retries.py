"""What an application with an unmodified SDK sees of a rolling restart: nothing that its retries do not hide.

boto3 with its default settings, through a balancer that knows which nodes are ready.
"""

import threading
import time
import uuid

import boto3
from chaos import faults
from support.balancer import Balancer
from support.nodes import Cluster

WORKERS = 4


class Application(threading.Thread):
    """Sends, receives and deletes with a client of its own, and lets no exception pass."""

    def __init__(self, endpoint, url, stop):
        super().__init__(daemon=True)
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        self.client = boto3.session.Session().client("sqs", endpoint_url=endpoint, region_name="us-east-1", **keys)
        self.url, self.stop = url, stop
        self.sent, self.failed, self.acknowledged, self.retries = 0, [], [], 0

    def run(self):
        while not self.stop.is_set():
            try:
                answer = self.client.send_message(QueueUrl=self.url, MessageBody="x" * 200)
                self._took(answer)
                self.acknowledged.append(time.monotonic())
                answer = self.client.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10)
                self._took(answer)
                for message in answer.get("Messages", ()):
                    handle = message["ReceiptHandle"]
                    self._took(self.client.delete_message(QueueUrl=self.url, ReceiptHandle=handle))
            except Exception as error:  # noqa: BLE001 - whatever an application would have to catch
                self.failed.append(repr(error))

    def _took(self, answer):
        self.retries += answer["ResponseMetadata"]["RetryAttempts"]


def test_a_rolling_restart_fails_no_call_of_an_unmodified_sdk():
    stop = threading.Event()
    with Cluster(3) as cluster, Balancer(cluster.nodes) as balancer:
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        client = boto3.client("sqs", endpoint_url=balancer.endpoint, region_name="us-east-1", **keys)
        url = client.create_queue(QueueName=f"r{uuid.uuid4().hex[:8]}")["QueueUrl"]
        workers = [Application(balancer.endpoint, url, stop) for _ in range(WORKERS)]
        for worker in workers:
            worker.start()
        try:
            time.sleep(1)
            began = time.monotonic()
            faults.apply(cluster, None, "rolling", 0, down_s=0, settle_s=2)
            ended = time.monotonic()
        finally:
            stop.set()
            for worker in workers:
                worker.join(60)
        failed = [error for worker in workers for error in worker.failed]
        at = sorted(t for worker in workers for t in worker.acknowledged if began <= t <= ended)
        assert len(at) > 50, "too little was sent to mean anything"
        longest = max(b - a for a, b in zip([began, *at], [*at, ended]))
        retries = sum(worker.retries for worker in workers)
        print(f"{len(at)} sends in {ended - began:.1f} s, {retries} retries by the SDK, longest pause {longest:.3f} s")
        assert not failed, "\n".join(failed) + "\n" + cluster.logs(15)
