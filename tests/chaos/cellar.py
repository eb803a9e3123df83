"""A queue that is filled before the faults and read after them, body by body: what lies long leaves memory for blocks
and checkpoints, where bits flip and newcomers must be brought it."""

import hashlib
import threading
import time

from support.sqs import Client, ServiceError, Unknown

BODY_BYTES = 64 << 10
# Ten of these are one request, below the 1 MiB that a request may have.
BATCH = 10
THREADS = 4
CALL_TIMEOUT_S = 10
RETRY_S = 0.1
READ_TIMEOUT_S = 300
# A message that was received and not deleted, because of a failure, must come again within the reading.
VISIBILITY_TIMEOUT_S = 60


def body(number):
    """The body that message `number` must have, whatever happened."""
    seed = hashlib.sha256(str(number).encode()).hexdigest()
    return f"{number} {seed * (BODY_BYTES // len(seed))}"


class Cellar:
    """The queue. `fill` before, `count` after."""

    def __init__(self, endpoints, megabytes):
        self.endpoints = list(endpoints)
        self.batches = megabytes * (1 << 20) // (BODY_BYTES * BATCH)
        self.kept, self.found, self.wrong = set(), set(), []
        self.lock = threading.Lock()
        client = Client(self.endpoints[0], timeout_s=CALL_TIMEOUT_S)
        attributes = {"VisibilityTimeout": str(VISIBILITY_TIMEOUT_S)}
        self.url = client.call("CreateQueue", QueueName="cellar", Attributes=attributes)["QueueUrl"]
        client.close()

    def fill(self):
        """Puts the messages down; an acknowledged one must be found again."""
        self._in_threads(self._fill)

    def _fill(self, part):
        client = Client(self.endpoints[part % len(self.endpoints)], timeout_s=CALL_TIMEOUT_S)
        for batch in range(part, self.batches, THREADS):
            numbers = range(batch * BATCH, (batch + 1) * BATCH)
            entries = [{"Id": str(n), "MessageBody": body(n)} for n in numbers]
            try:
                answer = client.call("SendMessageBatch", QueueUrl=self.url, Entries=entries)
            except (ServiceError, Unknown):
                time.sleep(RETRY_S)
                continue
            with self.lock:
                self.kept.update(int(e["Id"]) for e in answer.get("Successful") or [])
        client.close()

    def count(self):
        """Receives everything and says what is missing or not as it was."""
        self.deadline = time.monotonic() + READ_TIMEOUT_S
        self._in_threads(self._count)
        if missing := self.kept - self.found:
            self.wrong.append(f"cellar: {len(missing)} of {len(self.kept)} acknowledged messages were not found")
        return self.wrong

    def _count(self, part):
        client = Client(self.endpoints[part % len(self.endpoints)], timeout_s=CALL_TIMEOUT_S)
        while not self.kept <= self.found and time.monotonic() < self.deadline:
            try:
                answer = client.call("ReceiveMessage", QueueUrl=self.url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
                for message in answer.get("Messages") or []:
                    self._see(message["Body"])
                    client.call("DeleteMessage", QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
            except (ServiceError, Unknown):
                time.sleep(RETRY_S)
        client.close()

    def _see(self, text):
        number = int(text.split(" ", 1)[0])
        with self.lock:
            self.found.add(number)
            if text != body(number):
                self.wrong.append(f"cellar: message {number} has another body, of {len(text)} bytes")

    @staticmethod
    def _in_threads(work):
        threads = [threading.Thread(target=work, args=(n,), daemon=True) for n in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
