"""Long polls: they park, they wake at once for every reason there is, and they cost nothing."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.aws import receive_all, receive_none, receive_one

# What a wake-up may take beyond its cause. Far under a poll's length, far over a busy machine's hiccups.
WAKE_S = 0.7


class Poll:
    """A receive of 20 s in a thread of its own."""

    def __init__(self, pool, client, url, **options):
        self.begun = time.monotonic()
        self.future = pool.submit(self._run, client, url, options)

    def _run(self, client, url, options):
        answer = client.receive_message(QueueUrl=url, WaitTimeSeconds=20, **options)
        self.ended = time.monotonic()
        return answer.get("Messages", [])

    def messages(self):
        """What came."""
        return self.future.result(timeout=30)

    def woke_within(self, cause, slack_s=WAKE_S):
        """Asserts that the poll was parked until `cause` (monotonic) and ended right after."""
        messages = self.messages()
        assert messages, "the poll ended with nothing"
        assert -0.3 < self.ended - cause < slack_s, f"{self.ended - cause:.3f} s after its cause"
        return messages


@pytest.fixture
def pool():
    with ThreadPoolExecutor(32) as executor:
        yield executor


def test_an_empty_poll_lasts_as_long_as_asked(sqs, queue):
    begun = time.monotonic()
    receive_none(sqs, queue, wait_s=2)
    assert 1.9 < time.monotonic() - begun < 3


def test_a_poll_with_messages_returns_at_once(sqs, queue):
    sqs.send_message(QueueUrl=queue, MessageBody="x")
    begun = time.monotonic()
    receive_one(sqs, queue, wait_s=20)
    assert time.monotonic() - begun < WAKE_S


def test_the_queue_can_ask_for_long_polls(sqs, make_queue):
    url = make_queue(ReceiveMessageWaitTimeSeconds="1")
    begun = time.monotonic()
    assert "Messages" not in sqs.receive_message(QueueUrl=url)
    assert 0.9 < time.monotonic() - begun < 2
    begun = time.monotonic()
    receive_none(sqs, url, wait_s=0)  # the call's word goes before the queue's
    assert time.monotonic() - begun < WAKE_S


def test_a_send_wakes(sqs, other_sqs, queue, pool):
    poll = Poll(pool, sqs, queue)
    time.sleep(0.5)
    cause = time.monotonic()
    other_sqs.send_message(QueueUrl=queue, MessageBody="x")
    assert poll.woke_within(cause)[0]["Body"] == "x"


def test_the_end_of_a_visibility_timeout_wakes(sqs, other_sqs, queue, pool):
    sqs.send_message(QueueUrl=queue, MessageBody="x")
    receive_one(sqs, queue, VisibilityTimeout=2)
    cause = time.monotonic() + 2
    Poll(pool, other_sqs, queue).woke_within(cause)


def test_giving_a_message_back_wakes(sqs, other_sqs, queue, pool):
    sqs.send_message(QueueUrl=queue, MessageBody="x")
    handle = receive_one(sqs, queue)["ReceiptHandle"]
    poll = Poll(pool, other_sqs, queue)
    time.sleep(0.5)
    cause = time.monotonic()
    sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=handle, VisibilityTimeout=0)
    poll.woke_within(cause)


def test_a_shortened_timeout_wakes_at_its_new_end(sqs, other_sqs, queue, pool):
    sqs.send_message(QueueUrl=queue, MessageBody="x")
    handle = receive_one(sqs, queue)["ReceiptHandle"]
    poll = Poll(pool, other_sqs, queue)
    time.sleep(0.3)
    cause = time.monotonic() + 1
    sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=handle, VisibilityTimeout=1)
    poll.woke_within(cause)


def test_the_end_of_a_delay_wakes(sqs, other_sqs, queue, pool):
    poll = Poll(pool, other_sqs, queue)
    time.sleep(0.3)
    cause = time.monotonic() + 2
    sqs.send_message(QueueUrl=queue, MessageBody="x", DelaySeconds=2)
    poll.woke_within(cause)


def test_a_deleted_claim_frees_its_group_and_wakes(sqs, other_sqs, fifo, pool):
    for i in range(2):
        sqs.send_message(QueueUrl=fifo, MessageBody=str(i), MessageGroupId="g", MessageDeduplicationId=str(i))
    first = receive_one(sqs, fifo)
    poll = Poll(pool, other_sqs, fifo)
    time.sleep(0.5)
    assert not poll.future.done(), "the group is in flight"
    cause = time.monotonic()
    sqs.delete_message(QueueUrl=fifo, ReceiptHandle=first["ReceiptHandle"])
    assert poll.woke_within(cause)[0]["Body"] == "1"


def test_a_send_to_a_free_group_wakes_a_fifo_poll(sqs, other_sqs, fifo, pool):
    poll = Poll(pool, other_sqs, fifo)
    time.sleep(0.5)
    cause = time.monotonic()
    sqs.send_message(QueueUrl=fifo, MessageBody="x", MessageGroupId="g", MessageDeduplicationId="1")
    poll.woke_within(cause)


def test_the_end_of_a_fifo_delay_wakes(sqs, other_sqs, make_queue, pool):
    url = make_queue(fifo=True, DelaySeconds="2")
    poll = Poll(pool, other_sqs, url)
    time.sleep(0.3)
    cause = time.monotonic() + 2
    sqs.send_message(QueueUrl=url, MessageBody="x", MessageGroupId="g", MessageDeduplicationId="1")
    poll.woke_within(cause)


def test_twelve_polls_get_twelve_messages(sqs, other_sqs, queue, pool):
    clients = [sqs, other_sqs]
    polls = [Poll(pool, clients[i % 2], queue) for i in range(12)]
    time.sleep(0.5)
    cause = time.monotonic()
    for start in (0, 10):
        entries = [{"Id": str(i), "MessageBody": str(i)} for i in range(start, min(start + 10, 12))]
        sqs.send_message_batch(QueueUrl=queue, Entries=entries)
    bodies = [m["Body"] for p in polls for m in p.woke_within(cause, slack_s=1.5)]
    assert sorted(map(int, bodies)) == list(range(12))


def test_one_message_wakes_one_of_twelve(sqs, queue, pool):
    polls = [pool.submit(sqs.receive_message, QueueUrl=queue, WaitTimeSeconds=3) for _ in range(12)]
    time.sleep(0.5)
    sqs.send_message(QueueUrl=queue, MessageBody="x")
    got = [m for p in polls for m in p.result(timeout=20).get("Messages", [])]
    assert len(got) == 1


def test_parked_polls_cost_no_cpu(sqs, node, make_queue, pool):
    """Twelve polls in parallel, for three seconds: under 3 % of a core, as an idle node."""
    url = make_queue()
    for _ in range(12):
        pool.submit(sqs.receive_message, QueueUrl=url, WaitTimeSeconds=5)
    time.sleep(0.7)
    before, begun = node.cpu_s(), time.monotonic()
    time.sleep(3)
    used = (node.cpu_s() - before) / (time.monotonic() - begun)
    assert used < 0.05, f"{used:.1%} of a core"


def test_a_poll_that_the_client_gave_up_takes_no_message(sqs, queue, endpoint):
    from support.sqs import Client, Unknown

    quitter = Client(endpoint, timeout_s=1)
    with pytest.raises(Unknown):
        quitter.call("ReceiveMessage", QueueUrl=queue, WaitTimeSeconds=20)
    time.sleep(0.3)
    sqs.send_message(QueueUrl=queue, MessageBody="x")
    begun = time.monotonic()
    receive_one(sqs, queue, wait_s=5)
    assert time.monotonic() - begun < WAKE_S


def test_a_queue_that_is_deleted_ends_its_polls(sqs, other_sqs, make_queue, pool):
    url = make_queue()
    poll = pool.submit(other_sqs.receive_message, QueueUrl=url, WaitTimeSeconds=10)
    time.sleep(0.5)
    begun = time.monotonic()
    sqs.delete_queue(QueueUrl=url)
    error = poll.exception(timeout=20)
    assert error is None or "NonExistentQueue" in str(error)
    assert time.monotonic() - begun < 11


def test_polls_survive_a_burst(sqs, other_sqs, queue, pool):
    """Messages and polls in turn: each is taken exactly once."""
    def consume():
        seen = []
        while batch := other_sqs.receive_message(
            QueueUrl=queue, WaitTimeSeconds=2, MaxNumberOfMessages=10
        ).get("Messages", []):
            for m in batch:
                other_sqs.delete_message(QueueUrl=queue, ReceiptHandle=m["ReceiptHandle"])
                seen.append(m["Body"])
        return seen

    consumers = [pool.submit(consume) for _ in range(6)]
    for i in range(100):
        sqs.send_message(QueueUrl=queue, MessageBody=str(i))
    got = [b for c in consumers for b in c.result(timeout=60)]
    assert sorted(map(int, got)) == list(range(100))
    receive_none(sqs, queue)


def test_ten_messages_in_one_long_poll(sqs, queue):
    sqs.send_message_batch(QueueUrl=queue, Entries=[{"Id": str(i), "MessageBody": "x"} for i in range(10)])
    assert len(receive_all(sqs, queue, 10)) == 10
