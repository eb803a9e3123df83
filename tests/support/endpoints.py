"""What deliveries come to: an HTTP endpoint and a mail server in threads of this process."""

import email
import email.policy
import json
import queue
import re
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from aiosmtpd.controller import Controller

from .nodes import free_ports
from .sns import follow

# A busy machine gets it; a delivery that does not come is not waited for longer.
PATIENCE_S = 30


class Arrived:
    """A request as it came."""

    def __init__(self, method, path, headers, body):
        self.method, self.path, self.headers, self.body = method, path, headers, body

    @property
    def document(self):
        """The JSON in its body."""
        return json.loads(self.body)

    @property
    def kind(self):
        """What SNS says that it is."""
        return self.headers["x-amz-sns-message-type"]

    @property
    def form(self):
        """The form in its body, with the last of equal names."""
        return dict(urllib.parse.parse_qsl(self.body))


class HttpEndpoint:
    """Takes requests on a port of the loopback and answers what `answer(arrived)` says: a status, or a status, a body and headers."""

    def __init__(self, answer=lambda arrived: 200):
        self.answer = answer
        self.arrived = queue.Queue()
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                length = int(self.headers.get("content-length") or 0)
                arrived = Arrived(self.command, self.path, self.headers, self.rfile.read(length).decode())
                said = endpoint.answer(arrived)
                status, body, headers = said if isinstance(said, tuple) else (said, "", {})
                endpoint.arrived.put(arrived)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body.encode())))
                self.end_headers()
                self.wfile.write(body.encode())

            do_GET = do_POST

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    @property
    def url(self):
        """Where it is, without a slash at the end."""
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def next(self, timeout_s=PATIENCE_S):
        """The next request."""
        return self.arrived.get(timeout=timeout_s)

    def nothing_came(self):
        """Whether no request waits to be looked at."""
        return self.arrived.empty()

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


class MailServer:
    """Takes mails on a port of the loopback."""

    def __init__(self):
        self.mails = queue.Queue()
        # An answer other than 250 to the next mails, if there is one.
        self.refusal = None
        self.controller = Controller(self, hostname="127.0.0.1", port=free_ports(1)[0])

    async def handle_DATA(self, server, session, envelope):
        """aiosmtpd calls it with each mail."""
        if self.refusal:
            return self.refusal
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        self.mails.put((envelope.mail_from, envelope.rcpt_tos, mail))
        return "250 taken"

    @property
    def address(self):
        """Host and port."""
        return f"127.0.0.1:{self.controller.port}"

    def next(self, timeout_s=PATIENCE_S):
        """The next mail: from whom, to whom, and the mail."""
        return self.mails.get(timeout=timeout_s)

    def __enter__(self):
        self.controller.start()
        return self

    def __exit__(self, *_):
        self.controller.stop()


def text_of(mail):
    """The text of a mail, with the line ends of this machine."""
    return mail.get_content().replace("\r\n", "\n")


def links(text):
    """The links in a text, in order."""
    return re.findall(r"https?://[^\s\"]+", text)


def confirmed(sns, topic, protocol, endpoint, arrivals, **attributes):
    """Subscribes an HTTP endpoint and has it follow the link that it is sent; the subscription's ARN."""
    arn = sns.subscribe(
        TopicArn=topic, Protocol=protocol, Endpoint=endpoint, Attributes=attributes, ReturnSubscriptionArn=True
    )["SubscriptionArn"]
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        arrived = arrivals.next()
        if arrived.kind == "SubscriptionConfirmation":
            assert arn in follow(arrived.document["SubscribeURL"])
            return arn
    raise AssertionError("no request to confirm came")
