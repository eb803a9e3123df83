"""The one page of an API server that pods read, over HTTPS, with a token."""

import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import trustme

PORT = 6443
TOKEN = "acted-token"
# The product's own path: the machine's /run is not seen from here.
ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class ApiServer:
    """Answers `get` on the scale of StatefulSets, for who has the token."""

    def __init__(self, address):
        self.address, self.replicas, self.asked = address, {}, 0
        authority = trustme.CA()
        ACCOUNT.mkdir(parents=True, exist_ok=True)
        authority.cert_pem.write_to_path(str(ACCOUNT / "ca.crt"))
        (ACCOUNT / "token").write_text(TOKEN)
        acted = self

        class Page(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):  # noqa: N802 - the server's own name for it
                acted.asked += 1
                status, document = acted.answer(self.path, self.headers.get("Authorization"))
                body = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                # As Go's server does: to HTTP/1.0 no length is said, and the answer ends with the connection.
                self.close_connection = True
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                """Nobody reads it."""

        self.server = ThreadingHTTPServer((address, PORT), Page)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(address).configure_cert(context)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, path, authorization):
        """Status and document."""
        if authorization != f"Bearer {TOKEN}":
            return 401, {"kind": "Status", "code": 401}
        replicas = self.replicas.get(path)
        if replicas is None:
            # A role that names the StatefulSet lets nobody look at another.
            return 403, {"kind": "Status", "code": 403}
        return 200, {"kind": "Scale", "spec": {"replicas": replicas}}

    def close(self):
        """Stops answering."""
        self.server.shutdown()
        self.server.server_close()
