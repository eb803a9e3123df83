"""`levada agent` as a process, the programs whose files it follows, and a broker that misbehaves on purpose."""

import base64
import http.server
import json
import os
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

from support.nodes import binary

STOP_TIMEOUT_S = 30
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1"}


def environment(**extra):
    """This process's, with keys, and without what is set for other things."""
    mine = {k: v for k, v in os.environ.items() if not k.startswith(("LEVADA_", "AWS_")) and "proxy" not in k.lower()}
    return mine | KEYS | extra


class Agent:
    """One agent in a directory of its own: `agent.toml` (or what it is given), `state/`, `log`. Use as a context."""

    def __init__(self, directory, config, name="agent.toml", **extra):
        self.directory = Path(directory)
        self.config = self.directory / name
        self.config.write_text(config)
        self.log = self.directory / "agent.log"
        self.environment = environment(**extra)
        self.process = None

    @property
    def state(self):
        """Where it keeps how far files were sent."""
        return self.directory / "state"

    def start(self):
        """Starts it and returns at once."""
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [str(binary()), "agent", "--config", str(self.config), "--state-dir", str(self.state)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.environment,
                start_new_session=True,
            )
        return self

    def kill(self):
        """kill -9, and waits until it is gone."""
        self.process.kill()
        self.process.wait()

    def stop(self):
        """SIGTERM; it must end by itself, and well."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(STOP_TIMEOUT_S) == 0, self.said()

    def said(self):
        """Its log."""
        return self.log.read_text() if self.log.exists() else ""

    def bytes_read(self):
        """Bytes that it has read in all, from files and from the network."""
        lines = Path(f"/proc/{self.process.pid}/io").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("rchar:"))

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            self.kill()
        print(self.said())


class Writer(threading.Thread):
    """A program that writes numbered lines, keeps its file open, and opens it anew a while after it was rotated."""

    def __init__(self, path, count, lines_a_second=4_000, late_lines=40):
        super().__init__(daemon=True)
        self.path, self.count = Path(path), count
        self.pause_s, self.late_lines = 1 / lines_a_second, late_lines
        self.file = open(self.path, "a")
        # What is lost between the copy and the emptying of `copytruncate` is lost by logrotate; so that is one step.
        self.step = threading.Lock()
        self.written, self.reopen_at = 0, None

    def run(self):
        for number in range(self.count):
            with self.step:
                if self.reopen_at == number:
                    self.file.close()
                    self.file = open(self.path, "a")
                # In two writes, so that it is torn for a moment.
                self.file.write(f"{number:08d} some ")
                self.file.flush()
                self.file.write("text\n")
                self.file.flush()
                self.written = number + 1
            if number % 40 == 0:
                time.sleep(self.pause_s * 40)
        self.file.close()

    def lines(self):
        """All that it writes."""
        return [f"{number:08d} some text" for number in range(self.count)]

    def _shift(self, keep=9):
        for number in range(keep, 0, -1):
            old = Path(f"{self.path}.{number}")
            if old.exists():
                old.rename(f"{self.path}.{number + 1}")

    def rotate_by_rename(self):
        """As logrotate's `create`: the writer hears of it some lines later."""
        with self.step:
            self._shift()
            self.path.rename(f"{self.path}.1")
            self.path.touch()
            self.reopen_at = self.written + self.late_lines

    def rotate_by_copy(self):
        """As logrotate's `copytruncate`."""
        with self.step:
            self._shift()
            shutil.copy(self.path, f"{self.path}.1")
            os.truncate(self.path, 0)

    def rotate_by_deletion(self):
        """The file is deleted while it is open, and another of the same name is made."""
        with self.step:
            self.path.unlink()
            self.reopen_at = self.written + self.late_lines


class Broker:
    """Answers PutRecords as a test says, on a loopback port. `answer(records, headers)` gives entries, or None for no answer
    until the end."""

    def __init__(self, answer):
        self.requests, self.end = [], threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                outer.requests.append((dict(self.headers.items()), body))
                records = [base64.b64decode(record["Data"]) for record in json.loads(body)["Records"]]
                entries = answer(records, self.headers)
                if entries is None:
                    outer.end.wait()
                    self.close_connection = True
                    return
                said = json.dumps({"FailedRecordCount": 0, "Records": entries}).encode()
                self.send_response(200)
                self.send_header("content-length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.end.set()
        self.server.shutdown()
        self.server.server_close()
