"""A store that speaks S3, within this process: moto's, over HTTP or TLS, where a test can stand in the door."""

import contextlib
import threading

import boto3
import trustme
from moto.moto_api._internal.models import moto_api_backend
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from support.nodes import free_ports

REGION = "us-east-1"
# Before anybody is a user, the store takes any key.
KEY, SECRET = "backup", "a-secret-that-nobody-says"
BUCKET = "backups"


class Store:
    """An empty bucket. `door` is called with each request's WSGI environment; what it gives is the answer's status."""

    def __init__(self, directory=None):
        self.door = lambda _: None
        self._app = DomainDispatcherApplication(create_backend_app)
        port = free_ports(1)[0]
        self.environment, context, scheme = {}, None, "http"
        if directory is not None:
            authority = trustme.CA()
            self.authority = directory / "authority.pem"
            authority.cert_pem.write_to_path(self.authority)
            pair = directory / "store.pem"
            authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(pair)
            context, scheme = (str(pair), str(pair)), "https"
            self.environment["SSL_CERT_FILE"] = str(self.authority)
        self.endpoint = f"{scheme}://127.0.0.1:{port}"
        self.environment |= self.keys(KEY, SECRET)
        self._server = make_server(
            "127.0.0.1", port, self._answer, threaded=True, request_handler=MotoRequestHandler, ssl_context=context
        )
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def keys(self, key, secret, token=""):
        """AWS's variables for this store."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": secret,
            "AWS_SESSION_TOKEN": token,
        }

    def client(self, service="s3"):
        """boto3's, for what a test does itself."""
        return boto3.client(
            service, endpoint_url=self.endpoint, region_name=REGION, aws_access_key_id=KEY,
            aws_secret_access_key=SECRET, verify=str(self.authority) if self.endpoint.startswith("https") else None,
        )

    def objects(self, prefix):
        """Lengths by file, of what is under the prefix."""
        found = self.client().list_objects_v2(Bucket=BUCKET, Prefix=f"{prefix}/").get("Contents", [])
        return {o["Key"].removeprefix(f"{prefix}/"): o["Size"] for o in found}

    def open_uploads(self):
        """Uploads that nobody has completed."""
        return self.client().list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])

    def _answer(self, environ, start_response):
        status = self.door(environ)
        if status is None:
            return self._app(environ, start_response)
        # The body is read, as a client sends it whole before it looks.
        with contextlib.suppress(ValueError):
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        start_response(status, [("content-length", "0")])
        return [b""]

    def __enter__(self):
        self._thread.start()
        self.client().create_bucket(Bucket=BUCKET)
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        # moto keeps what it holds in the process.
        moto_api_backend.reset()


def is_part(environ):
    """True of the upload of one part."""
    return environ["REQUEST_METHOD"] == "PUT" and "partNumber=" in environ.get("QUERY_STRING", "")
