"""What each answer of a server means, over real HTTP: confirmed, refused, or come again."""

import gzip
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from pydantic import SecretStr

from plant.errors import Unavailable
from store.influx.server import InfluxServer, Refused
from store.influx.settings import InfluxSettings

LINES = ["press,machine=P1,line=L1 power_kw=1.0 1", "press,machine=P1,line=L1 power_kw=2.0 2"]


class Answering:
    """An HTTP server that answers as told and keeps what it was sent."""

    def __init__(self) -> None:
        self.status = 204
        self.seen: list[tuple[str, str, bytes]] = []
        answering = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                answering.seen.append((self.path, self.headers["Authorization"] or "", gzip.decompress(body)))
                self.send_response(answering.status)
                text = b'{"code": "told", "message": "as told"}' if answering.status != 204 else b""
                if text:
                    self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_arguments: object) -> None:
                """Say nothing."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def answering() -> Iterator[Answering]:
    made = Answering()
    yield made
    made.close()


@pytest.fixture
def server(answering: Answering) -> Iterator[InfluxServer]:
    made = InfluxServer(InfluxSettings(url=answering.url, token=SecretStr("s3cret")))
    yield made
    made.close()
    made.close()


def test_write_sends_the_lines_as_they_are_with_token_bucket_and_microseconds(
    answering: Answering, server: InfluxServer
) -> None:
    server.write(LINES)
    ((path, authorization, body),) = answering.seen
    assert path == "/api/v2/write?org=linewright&bucket=plant&precision=us"
    assert authorization == "Token s3cret"
    assert body.decode().splitlines() == LINES


@pytest.mark.parametrize("status", [400, 413, 422])
def test_write_is_refused_when_the_data_are_at_fault(answering: Answering, server: InfluxServer, status: int) -> None:
    answering.status = status
    with pytest.raises(Refused, match="as told"):
        server.write(LINES)


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (401, "token is not accepted"),
        (403, "may not write"),
        (404, "no such organisation or bucket"),
        (429, "patience"),
    ],
)
def test_write_is_tried_again_when_the_server_or_its_setting_is_at_fault(
    answering: Answering, server: InfluxServer, status: int, advice: str
) -> None:
    answering.status = status
    with pytest.raises(Unavailable, match=advice) as caught:
        server.write(LINES)
    assert "s3cret" not in str(caught.value)
    answering.status = 503
    with pytest.raises(Unavailable, match="answered 503"):
        server.write(LINES)
    answering.status = 204
    server.write(LINES)
