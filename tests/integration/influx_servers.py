"""Real servers that take line protocol, which tests may stop, kill and start again.

VictoriaMetrics takes `/api/v2/write` as it is. InfluxDB 1.6 takes the same body at `/write`, so a small proxy in front
of it maps the path and the names of the query, and a bucket that is made to a database; `/query` it passes on as it is.
"""

import json
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


def port_of_its_own() -> int:
    """A loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """A server process on a port of its own; its data live as long as the test."""

    health = "/health"

    def __init__(self, program: Path, folder: Path) -> None:
        self.program = program
        self.folder = folder
        self.port = port_of_its_own()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen([self.program, *self.arguments()], stdout=log, stderr=log)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}{self.health}", timeout=2).close()
            except OSError:
                assert self._process.poll() is None, (self.folder / "server.log").read_text()
                time.sleep(0.05)
            else:
                return
        raise AssertionError(f"{self.program} did not start within 30 s")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it, in order or by a kill."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(30)
            self._process = None

    def arguments(self) -> list[str]:
        raise NotImplementedError

    def ask(self, path: str, **query: str) -> str:
        """The answer to a GET."""
        text = urllib.parse.urlencode(query)
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}?{text}", timeout=10) as answer:
            body: bytes = answer.read()
            return body.decode()


class VictoriaMetrics(Server):
    """Keeps one sample of each instant, as a server that is written to twice must."""

    def arguments(self) -> list[str]:
        return [
            f"-storageDataPath={self.folder}/data",
            f"-httpListenAddr=127.0.0.1:{self.port}",
            "-dedup.minScrapeInterval=1ms",
            "-memory.allowedBytes=64MiB",
            "-retentionPeriod=1y",
        ]

    def series(self, name: str) -> dict[str, list[tuple[int, float]]]:
        """Samples (time in ms, value) of a metric by machine."""
        self.ask("/internal/force_flush")
        found: dict[str, list[tuple[int, float]]] = {}
        for line in self.ask("/api/v1/export", **{"match[]": name, "reduce_mem_usage": "0"}).splitlines():
            entry = json.loads(line)
            found.setdefault(entry["metric"]["machine"], []).extend(
                zip(entry["timestamps"], entry["values"], strict=True)
            )
        return {machine: sorted(samples) for machine, samples in found.items()}


class Influx1(Server):
    """InfluxDB 1.6 with the proxy in front; `url` is the proxy's."""

    health = "/ping"

    def __init__(self, program: Path, folder: Path) -> None:
        super().__init__(program, folder)
        self.writes = 0
        proxied = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                parts = urllib.parse.urlsplit(self.path)
                query = dict(urllib.parse.parse_qsl(parts.query))
                body = self.rfile.read(int(self.headers["Content-Length"] or 0))
                if parts.path == "/api/v2/write":
                    asked = urllib.parse.urlencode({"db": query["bucket"], "precision": query["precision"][0]})
                    proxied.writes += 1
                    self._pass(f"/write?{asked}", body)
                elif parts.path == "/api/v2/buckets":
                    wanted = json.loads(body)
                    proxied.make(wanted["name"], [rule["everySeconds"] for rule in wanted["retentionRules"]])
                    self._say(201, json.dumps({"id": "1", "orgID": "1", **wanted}).encode())
                else:
                    assert parts.path == "/query"
                    self._pass(self.path, body)

            def do_GET(self) -> None:
                if self.path.startswith("/api/v2/orgs"):
                    self._say(200, json.dumps({"orgs": [{"id": "1", "name": "linewright"}]}).encode())
                elif self.path.startswith("/api/v2/buckets"):
                    name = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))["name"]
                    bucket = {"id": name, "name": name, "orgID": "1", "retentionRules": []}
                    self._say(200, json.dumps({"buckets": [bucket]}).encode())
                else:
                    assert self.path.startswith(("/query", "/ping", "/health"))
                    self._pass(self.path, None)

            def do_DELETE(self) -> None:
                name = urllib.parse.unquote(self.path.removeprefix("/api/v2/buckets/"))
                proxied.tell(f'DROP DATABASE "{name}"')
                self._say(204, b"")

            def _pass(self, path: str, body: bytes | None) -> None:
                method = "GET" if body is None else "POST"
                request = urllib.request.Request(f"http://127.0.0.1:{proxied.port}{path}", data=body, method=method)
                for name in ("Content-Encoding", "Accept"):
                    if value := self.headers[name]:
                        request.add_header(name, value)
                try:
                    with urllib.request.urlopen(request, timeout=60) as answer:
                        status, text = answer.status, answer.read()
                except urllib.error.HTTPError as error:
                    status, text = error.code, error.read()
                except OSError as error:
                    status, text = 503, str(error).encode()
                self._say(status, text)

            def _say(self, status: int, text: bytes) -> None:
                self.send_response(status)
                if status != 204:
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                if status != 204:
                    self.wfile.write(text)

            def log_message(self, *_arguments: object) -> None:
                """Say nothing."""

        self._proxy = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._proxy.serve_forever, daemon=True)
        self._thread.start()
        self._rpc_port = port_of_its_own()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._proxy.server_address[1]}"

    def arguments(self) -> list[str]:
        configuration = self.folder / "influxdb.conf"
        configuration.write_text(
            f'reporting-disabled = true\nbind-address = "127.0.0.1:{self._rpc_port}"\n'
            f'[meta]\n  dir = "{self.folder}/meta"\n'
            f'[data]\n  dir = "{self.folder}/data"\n  wal-dir = "{self.folder}/wal"\n  index-version = "inmem"\n'
            f'[monitor]\n  store-enabled = false\n[http]\n  bind-address = "127.0.0.1:{self.port}"\n'
        )
        return ["run", "-config", str(configuration)]

    def make(self, bucket: str, retention_s: Sequence[int] = ()) -> None:
        """Create the database that stands for the bucket."""
        kept = "".join(f" WITH DURATION {seconds}s" for seconds in retention_s)
        self.tell(f'CREATE DATABASE "{bucket}"{kept}')

    def tell(self, statement: str) -> None:
        """Have a statement done that changes something."""
        asked = urllib.parse.urlencode({"q": statement}).encode()
        urllib.request.urlopen(f"http://127.0.0.1:{self.port}/query", data=asked, timeout=10).close()

    def write(self, bucket: str, line: str) -> None:
        """Write a line of somebody else."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/write?db={bucket}&precision=u", data=line.encode()
        )
        urllib.request.urlopen(request, timeout=10).close()

    def rows(self, bucket: str, query: str) -> list[list[Any]]:
        """Rows of an InfluxQL query, times in µs."""
        answer = json.loads(self.ask("/query", db=bucket, q=query, epoch="u"))
        result = answer["results"][0]
        assert "error" not in result, result
        return [row for series in result.get("series", []) for row in series["values"]]

    def close(self) -> None:
        self._proxy.shutdown()
        self._proxy.server_close()
        self._thread.join()
