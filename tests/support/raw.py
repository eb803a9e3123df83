"""Bytes on a socket: requests that no SDK would make, and answers as they stand on the wire."""

import json
import socket
import urllib.parse
import xml.etree.ElementTree as tree

from support.sqs import sign

XMLNS = "http://queue.amazonaws.com/doc/2012-11-05/"


class Answer:
    """Status, headers (lower case) and body."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def __repr__(self):
        return f"{self.status} {self.headers} {self.body[:300]!r}"

    def json(self):
        """The body as JSON."""
        return json.loads(self.body)

    def xml(self):
        """The body as XML, namespaces taken off the tags."""
        root = tree.fromstring(self.body)
        for element in root.iter():
            element.tag = element.tag.rpartition("}")[2]
        return root

    @property
    def type(self):
        """The shape of an awsJson error."""
        return self.json().get("__type", "").rpartition("#")[2]

    @property
    def code(self):
        """The code of an XML error."""
        return self.xml().findtext("./Error/Code")


def open_socket(endpoint, timeout_s=20):
    """A connected socket."""
    host, port = endpoint.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=timeout_s)


def read_answer(sock):
    """One HTTP/1.1 answer, or None if the peer closed without one."""
    data = b""
    while b"\r\n\r\n" not in data:
        try:
            more = sock.recv(65536)
        except ConnectionResetError:
            more = b""
        if not more:
            return None
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:])}
    wanted = int(headers.get("content-length", "0"))
    chunked = headers.get("transfer-encoding", "") == "chunked"
    while len(body) < wanted or (chunked and not body.endswith(b"0\r\n\r\n")):
        more = sock.recv(65536)
        if not more:
            break
        body += more
    return Answer(int(lines[0].split()[1]), headers, body)


def exchange(endpoint, raw, timeout_s=20):
    """Sends bytes on a new connection and reads one answer."""
    with open_socket(endpoint, timeout_s) as sock:
        try:
            sock.sendall(raw)
        except (BrokenPipeError, ConnectionResetError):
            pass  # an early refusal; the answer may still be there to read
        return read_answer(sock)


def request(method, path, headers, body=b""):
    """The bytes of a request."""
    lines = [f"{method} {path} HTTP/1.1"] + [f"{k}: {v}" for k, v in headers.items()]
    lines += [f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


def json_call(endpoint, action, body, content_type="application/x-amz-json-1.0", target=None, **headers):
    """An awsJson call; `body` is bytes, text or something to encode."""
    if not isinstance(body, (bytes, str)):
        body = json.dumps(body)
    body = body.encode() if isinstance(body, str) else body
    named = {"Host": endpoint.removeprefix("http://")}
    if content_type is not None:
        named["Content-Type"] = content_type
    if target is None:
        target = f"AmazonSQS.{action}"
    if target:
        named["X-Amz-Target"] = target
    named.update({k.replace("_", "-"): v for k, v in headers.items()})
    sign("POST", "/", "", named, body)
    return exchange(endpoint, request("POST", "/", named, body))


def query_call(endpoint, parameters, method="POST", path="/", version="2012-11-05", raw=None):
    """A Query call: the form in the body, or in the address for GET."""
    fields = dict(parameters)
    if version:
        fields["Version"] = version
    form = raw if raw is not None else urllib.parse.urlencode(fields, quote_via=urllib.parse.quote)
    named = {"Host": endpoint.removeprefix("http://")}
    if method == "GET":
        canonical = "&".join(sorted(form.split("&")))
        sign("GET", path, canonical, named, b"")
        return exchange(endpoint, request("GET", f"{path}?{form}", named))
    body = form.encode() if isinstance(form, str) else form
    named["Content-Type"] = "application/x-www-form-urlencoded; charset=utf-8"
    sign("POST", path, "", named, body)
    return exchange(endpoint, request("POST", path, named, body))
