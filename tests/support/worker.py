"""A thread of a load: talks to one node and goes to the next when a call fails, as a client behind a load balancer does."""

import random
import threading
import time

from support.nodes import Patience
from support.sns_forms import SnsClient
from support.sqs import Client, NotSent, ServiceError, Unknown

# Long enough for an election under load; a client of a paused node gives up after it and goes elsewhere.
CALL_TIMEOUT_S = 3
RETRY_S = 0.02
# A worker that had to leave its own node returns to it after this, so that the next fault does not find all
# of them at one node and measure their patience.
AWAY_S = 2.0


def is_final(error):
    """Whether asking again would be answered the same."""
    return isinstance(error, ServiceError) and error.status < 500


def ask_around(endpoints, kind, action, timeout_s, is_final=lambda error: False, **parameters):
    """A call by a client of that kind, repeated at node after node until it is answered, or refused for good."""
    patience = Patience(timeout_s)
    while True:
        for endpoint in endpoints:
            client = kind(endpoint, timeout_s=CALL_TIMEOUT_S)
            try:
                return client.call(action, **parameters)
            except (Unknown, ServiceError) as error:
                if is_final(error):
                    raise
                if patience.is_over():
                    raise AssertionError(f"{action} was not answered in {timeout_s} s: {error}") from error
                time.sleep(RETRY_S)
            finally:
                client.close()


class Worker(threading.Thread):
    """A thread with a connection to one node at a time."""

    service = "sqs"
    timeout_s = CALL_TIMEOUT_S

    def __init__(self, load, number):
        super().__init__(daemon=True, name=f"{type(self).__name__}-{number}")
        self.load = load
        kind = SnsClient if self.service == "sns" else Client
        self.clients = [kind(e, timeout_s=self.timeout_s, service=self.service) for e in load.endpoints]
        self.home = self.at = number % len(self.clients)
        self.left_at = 0.0
        self.number = number
        self.sends = False  # a producer is sending, or about to
        self.random = random.Random(f"{load.seed}-{self.name}")

    def call(self, action, **parameters):
        """One call to the present node. On failure: the next node, and the exception."""
        return self.attempt(action, lambda client: client.call(action, **parameters))

    def attempt(self, action, ask):
        """What `ask` gives of the present node's client. On failure: the next node, and the exception."""
        if self.at != self.home and time.monotonic() - self.left_at > AWAY_S:
            self.at = self.home
        try:
            return ask(self.clients[self.at])
        except ServiceError as error:
            with self.load.lock:
                self.load.errors[f"{action} {error.status} {error.code}"] += 1
            if error.status >= 500:
                self.move_on()
            raise
        except Unknown as error:
            kind = "refused" if isinstance(error, NotSent) else "no answer"
            with self.load.lock:
                self.load.errors[f"{action} {kind}"] += 1
            self.move_on()
            raise

    def may_send(self):
        """Whether a producer may send now. Until it asks again it counts as sending: a drain waits for what is on its way."""
        self.sends = True
        if self.load.stopping.is_set() or not self.load.producing.is_set():
            self.sends = False
        return self.sends

    def failed(self, op, queue, began, error):
        """Notes a call that was not answered with success."""
        self.load.note(op=op, q=queue, b=began, e=time.monotonic(), error=str(error)[:100])

    def move_on(self):
        """Goes to the next node."""
        self.at = (self.at + 1) % len(self.clients)
        self.left_at = time.monotonic()
        time.sleep(RETRY_S)

    def run(self):
        try:
            self.work()
        except Exception as error:  # noqa: BLE001 - a worker that dies silently would make every check pass
            self.load.crashed.append(f"{self.name}: {error!r}")
            raise
        finally:
            for client in self.clients:
                client.close()
