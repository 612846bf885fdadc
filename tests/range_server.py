"""A web server whose files can be read from any byte on, and that fails when it is told to."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit


@dataclass
class Server:
    """What the server serves, and what it was asked for.

    Attributes:
        files: by path.
        headers: further headers of a response, by path.
        cuts: after how many bytes of a file the next responses end, one after the other.
        token: without it nothing is served.
        asked: method, path and range of each request.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    headers: dict[str, Mapping[str, str]] = field(default_factory=dict)
    cuts: list[int] = field(default_factory=list)
    token: str | None = None
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)
    url: str = ""


@contextmanager
def serve() -> Iterator[Server]:
    """Start a server on the loopback address."""
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def _answer(self, *, body: bool) -> None:
            path, asked = unquote(urlsplit(self.path).path), self.headers.get("Range")
            state.asked.append((self.command, path, asked))
            if state.token is not None and self.headers.get("Authorization") != f"Bearer {state.token}":
                self._send(401, b"", {}, body)
                return
            if path not in state.files:
                self._send(404, b"", {}, body)
                return
            data, headers, status = state.files[path], dict(state.headers.get(path, {})), 200
            if asked:
                first, _, last = asked.removeprefix("bytes=").partition("-")
                start = int(first) if first else max(len(data) - int(last), 0)
                stop = min(int(last) + 1, len(data)) if first and last else len(data)
                headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(data)}"
                data, status = data[start:stop], 206
            self._send(status, data, headers, body)

        def _send(self, status: int, data: bytes, headers: Mapping[str, str], body: bool) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(data)), "Accept-Ranges": "bytes", **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if not body:
                return
            if state.cuts and status < 300:
                self.wfile.write(data[: state.cuts.pop(0)])
                self.wfile.flush()
                self.close_connection = True
                return
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
