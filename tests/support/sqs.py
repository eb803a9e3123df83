"""A small client of SQS, Kinesis or DynamoDB over one kept-open connection: awsJson, signed, without retries.

boto3 hides what the cluster suites must see: which attempt was acknowledged, which failed for certain, and
which may or may not have happened. It is also an order of magnitude slower.
"""

import datetime
import hashlib
import hmac
import http.client
import json
import socket
from contextlib import contextmanager

from support.event_stream import frames

REGION = "us-east-1"
ACCESS_KEY = "test"
SECRET_KEY = "test"
# By service: what its actions are called by, and its version of awsJson.
SERVICES = {
    "sqs": ("AmazonSQS", "1.0"),
    "kinesis": ("Kinesis_20131202", "1.1"),
    "dynamodb": ("DynamoDB_20120810", "1.0"),
}


class ServiceError(Exception):
    """The broker answered, and said no. `document` is all that it said."""

    def __init__(self, status, code, message, document=None):
        super().__init__(f"{status} {code}: {message}")
        self.status, self.code, self.message = status, code, message
        self.document = document or {}


class Unknown(Exception):
    """No answer: the call may have been carried out or not."""


class NotSent(Unknown):
    """The connection was refused, so nothing can have happened."""


_keys = {}


def _signing_key(secret, date, region):
    cached = _keys.get((secret, date, region))
    if cached is None:
        cached = ("AWS4" + secret).encode()
        for part in (date, region, "sqs", "aws4_request"):
            cached = hmac.new(cached, part.encode(), hashlib.sha256).digest()
        _keys[(secret, date, region)] = cached
    return cached


def sign(method, path, query, headers, body, access_key=ACCESS_KEY, secret=SECRET_KEY, region=REGION):
    """Adds X-Amz-Date and a version 4 signature over all `headers` (which hold Host) to `headers`."""
    now = datetime.datetime.now(datetime.timezone.utc)
    stamp, date = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
    headers["X-Amz-Date"] = stamp
    named = sorted((k.lower(), v.strip()) for k, v in headers.items())
    signed = ";".join(k for k, _ in named)
    canonical = "\n".join(
        [method, path, query, "".join(f"{k}:{v}\n" for k, v in named), signed, hashlib.sha256(body).hexdigest()]
    )
    scope = f"{date}/{region}/sqs/aws4_request"
    to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = hmac.new(_signing_key(secret, date, region), to_sign.encode(), hashlib.sha256).hexdigest()
    headers["Authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={access_key}/{scope}, SignedHeaders={signed}, Signature={signature}"
    )
    return headers


class Client:
    """Calls one node. Not for several threads at once."""

    def __init__(self, endpoint, timeout_s=10, access_key=ACCESS_KEY, region=REGION, service="sqs"):
        self.host = endpoint.removeprefix("http://")
        self.timeout_s = timeout_s
        self.access_key = access_key
        self.region = region
        self.service = service
        self.connection = None

    def close(self):
        """Drops the connection."""
        if self.connection:
            self.connection.close()
            self.connection = None

    def call(self, action, **parameters):
        """The answer as a dict; ServiceError, NotSent or Unknown if there is none."""
        response, answer = self._exchange(*self._request(action, parameters))
        return _document(response.status, answer)

    @contextmanager
    def events(self, action, silence_s, **parameters):
        """The frames of an answer that goes on, (headers, document) each. So much silence ends the context. The
        connection is dropped afterwards."""
        response, refusal = self._exchange(*self._request(action, parameters), streams=True)
        if response.status != 200:
            _document(response.status, refusal)
        try:
            if self.connection:
                self.connection.sock.settimeout(silence_s)
            yield frames(response.read)
        except TimeoutError:
            pass
        except (OSError, http.client.HTTPException) as error:
            raise Unknown(repr(error)) from error
        finally:
            response.close()
            self.close()

    def _request(self, action, parameters):
        target, version = SERVICES[self.service]
        body = json.dumps(parameters).encode()
        headers = {
            "Host": self.host,
            "Content-Type": f"application/x-amz-json-{version}",
            "X-Amz-Target": f"{target}.{action}",
        }
        sign("POST", "/", "", headers, body, access_key=self.access_key, region=self.region)
        return body, headers

    def _exchange(self, body, headers, streams=False):
        if self.connection is None:
            fresh = http.client.HTTPConnection(self.host, timeout=self.timeout_s)
            try:
                fresh.connect()
            except OSError as error:
                raise NotSent(repr(error)) from error
            fresh.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connection = fresh
        try:
            self.connection.request("POST", "/", body, headers)
            response = self.connection.getresponse()
            # What streams is read by who asked.
            answer = b"" if streams and response.status == 200 else response.read()
            if response.will_close and not (streams and response.status == 200):
                self.close()
            return response, answer
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise Unknown(repr(error)) from error


def _document(status, answer):
    """The answer's, if it is one of success; else the ServiceError that it tells."""
    document = _parsed(answer)
    if status == 200:
        return document
    code = str(document.get("__type", "")).rpartition("#")[2]
    raise ServiceError(status, code, document.get("message") or document.get("Message") or "", document)


def _parsed(answer):
    try:
        document = json.loads(answer or b"{}")
    except ValueError:
        return {"message": repr(answer[:200])}
    return document if isinstance(document, dict) else {"message": repr(document)}
