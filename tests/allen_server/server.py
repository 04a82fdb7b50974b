"""The HTTP server: addresses, headers and misbehaviour."""

from __future__ import annotations

import hashlib
import json
import re
import socket
import struct
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.allen_server import rma
from tests.allen_server.faults import Fault
from tests.allen_server.tables import load_tables, well_known_files

HOSTS = frozenset(
    {
        "api.brain-map.org",
        "download.alleninstitute.org",
        "allen-brain-observatory.s3.us-west-2.amazonaws.com",
        "allen-brain-observatory.s3.amazonaws.com",
    }
)
"""Hosts that the server answers for when it is used as a proxy."""
WEB_PAGE = b"<html><body>Scheduled maintenance</body></html>"
QUERY_PATH = re.compile(r"/api/v2/data/(?:(\w+)/)?query\.json")
VOLUME_PATH = re.compile(r"/grid_data/download_file/(\d+)")
FILE_PATH = re.compile(r"/api/v2/well_known_file_download/(\d+)")
ARCHIVE_PATH = re.compile(r"/informatics-archive/current-release/mouse_ccf/(.+)")
BUCKET_PATH = re.compile(r"(?:/allen-brain-observatory)?/visual-coding-2p/(.+)")


@dataclass
class Request:
    """A request that was made."""

    method: str
    host: str
    address: str
    decoded: str
    time: float
    range: str | None
    user_agent: str | None
    by_proxy: bool
    fault: str | None = None
    status: int | None = None


class AllenServer(ThreadingHTTPServer):
    """Serves a folder of raw files on the loopback interface.

    Parameters
    ----------
    raw : Path
        Folder with ``connectivity`` and ``observatory``, laid out as ``results/raw/allen``.
    port : int
        0: any free port.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, raw: Path, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.raw = raw
        self.tables = load_tables(raw)
        self.files = well_known_files(raw, self.tables)
        self.faults: list[Fault] = []
        self.requests: list[Request] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.bucket_url = self.url + "/allen-brain-observatory"
        self.ended = threading.Event()

    def __enter__(self) -> AllenServer:
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.shutdown()
        self.server_close()

    def handle_error(self, *_: object) -> None:
        """Say nothing where a client hangs up."""

    def misbehave(self, *faults: Fault) -> None:
        """Forget the requests and rules so far; follow these rules from now on."""
        self.requests.clear()
        self.faults[:] = faults

    def access(self, **changes: Any) -> dict[str, Any]:
        """Settings of the section ``access`` that point here, with little patience."""
        return {
            "api_url": self.url,
            "archive_url": self.url,
            "observatory_url": self.bucket_url,
            "retries": 3,
            "first_wait_s": 0.01,
            "longest_wait_s": 0.2,
            "connect_timeout_s": 5,
            "read_timeout_s": 0.6,
            "rate_window_s": 0.4,
            **changes,
        }


def serve(raw: Path, port: int = 0) -> AllenServer:
    """A server for a folder of raw files; use it in a ``with`` statement."""
    return AllenServer(raw, port)


class Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    protocol_version = "HTTP/1.1"
    server: AllenServer

    def log_message(self, *_: object) -> None:
        """Keep quiet."""

    def version_string(self) -> str:
        """The ``Server`` header: S3 names itself."""
        return "AmazonS3" if BUCKET_PATH.fullmatch(urlsplit(self.path).path) else "Apache"

    def do_HEAD(self) -> None:
        """Answer without a body."""
        self.do_GET()

    def do_POST(self) -> None:
        """Set the faults from another process: a JSON list of rules."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if urlsplit(self.path).path != "/__faults__":
            return self.send(405, b"", "text/html")
        self.server.misbehave(*(Fault(**rule) for rule in json.loads(body)))
        return self.send(200, b"{}", "application/json")

    def do_GET(self) -> None:
        """Note the request, then answer it, by a rule or well."""
        parts = urlsplit(self.path)
        host = parts.hostname or self.headers.get("Host", "").split(":")[0]
        address = parts.path + ("?" + parts.query if parts.query else "")
        if address == "/__requests__":
            noted = [asdict(request) for request in self.server.requests]
            return self.send(200, json.dumps(noted).encode(), "application/json")
        self.noted = Request(
            method=self.command,
            host=host,
            address=address,
            decoded=unquote(address),
            time=time.time(),
            range=self.headers.get("Range"),
            user_agent=self.headers.get("User-Agent"),
            by_proxy=bool(parts.scheme),
        )
        self.server.requests.append(self.noted)
        if parts.scheme and host not in HOSTS:
            return self.send(502, b'{"error": "this host is not emulated"}', "application/json")
        fault = next((f for f in self.server.faults if f.takes(self.noted.decoded)), None)
        self.noted.fault = None if fault is None else fault.kind
        try:
            if fault is None or not self.misbehave(fault):
                self.answer(parts.path, parts.query, host, fault)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def misbehave(self, fault: Fault) -> bool:
        """Answer by a rule that replaces the whole answer; False if it is not of that kind."""
        empty = {"success": True, "id": 0, "start_row": 0, "num_rows": 0}
        whole: dict[str, tuple[int, bytes, str]] = {
            "status": (fault.code, WEB_PAGE, "text/html"),
            "html": (200, WEB_PAGE, "text/html"),
            "empty": (200, b"", "application/octet-stream"),
            "refusal": (
                200,
                json.dumps(rma.refusal("Error in query: Informatics service failed")).encode(),
                "application/json",
            ),
            "no_rows": (
                200,
                json.dumps({**empty, "total_rows": 0, "msg": []}).encode(),
                "application/json",
            ),
            "no_rows_object": (200, json.dumps({**empty, "msg": {}}).encode(), "application/json"),
        }
        if fault.kind in whole:
            code, body, kind = whole[fault.kind]
            self.send(code, body, kind, fault.headers)
        elif fault.kind == "reset":
            self.reset()
        elif fault.kind == "hang":
            self.server.ended.wait(fault.seconds)
            self.reset()
        else:
            if fault.kind == "delay":
                self.server.ended.wait(fault.seconds)
            return False
        return True

    def answer(self, path: str, query: str, host: str, fault: Fault | None) -> None:
        """Answer as the services do."""
        raw = self.server.raw
        options = dict(parse_qsl(query, keep_blank_values=True))
        if found := QUERY_PATH.fullmatch(path):
            return self.send_rows(found[1], unquote(query), options, fault)
        if found := VOLUME_PATH.fullmatch(path):
            image = options.get("image", "projection_density")
            name = f"{image}_{options.get('resolution', '100')}.nrrd"
            file = raw / f"connectivity/experiment_{found[1]}" / name
            attachment = f"11_wks_coronal_{found[1]}_{name}"
            headers = {"Content-Disposition": f"attachment; filename={attachment}"}
            return self.send_file(file, headers, fault, ranges=False)
        if found := FILE_PATH.fullmatch(path):
            file = self.server.files.get(int(found[1]), raw / "absent")
            headers = {"Content-Disposition": f'attachment; filename="{file.name}"'}
            return self.send_file(file, headers, fault)
        if found := ARCHIVE_PATH.fullmatch(path):
            name = found[1].removeprefix("average_template/")
            return self.send_file(raw / "connectivity" / name, {}, fault)
        found = BUCKET_PATH.fullmatch(path)
        if found and ("s3" in host or path.startswith("/allen-brain-observatory/")):
            return self.send_file(raw / "observatory" / found[1], {}, fault)
        return self.send(404, b"<html>404 Not Found</html>", "text/html")

    def send_rows(
        self, model: str | None, query: str, options: Mapping[str, str], fault: Fault | None
    ) -> None:
        """Answer a query."""
        found = re.search(r"(?:^|&)(?:q|criteria)=(.*?)(?:&\w+=|$)", query, re.S)
        text = found[1] if found else ""
        if model:
            text = f"model::{model}" + (f",rma::criteria,{text}" if text else "")
        envelope = rma.answer(text, self.server.tables, options)
        if fault is not None and fault.kind == "fewer_rows":
            envelope["msg"] = envelope["msg"][:-1]
        headers = {"Content-Disposition": "inline; filename=query.json"}
        body = json.dumps(envelope).encode()
        self.send(200, body, "application/json; charset=utf-8", headers, fault)

    def send_file(
        self, file: Path, headers: Mapping[str, str], fault: Fault | None, ranges: bool = True
    ) -> None:
        """Send a file, or the range of it that is asked for."""
        if not file.is_file() or not file.resolve().is_relative_to(self.server.raw.resolve()):
            return self.send(404, b"<html>404 Not Found</html>", "text/html", fault=fault)
        body, code, headers = file.read_bytes(), 200, dict(headers)
        kind = None if fault is None else fault.kind
        if ranges:
            etag = f'"{hashlib.md5(body).hexdigest()}"' if kind != "changed" else '"changed"'
            headers |= {"ETag": etag, "Accept-Ranges": "bytes"}
            asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
            if asked and kind != "ignore_range" and self.headers.get("If-Range", etag) == etag:
                first, last = int(asked[1]), min(int(asked[2] or len(body)), len(body) - 1)
                if first >= len(body):
                    headers["Content-Range"] = f"bytes */{len(body)}"
                    return self.send(416, b"", "text/html", headers)
                headers["Content-Range"] = f"bytes {first}-{last}/{len(body)}"
                code, body = 206, body[first : last + 1]
        self.send(code, body, "application/octet-stream", headers, fault)

    def send(
        self,
        code: int,
        body: bytes,
        kind: str,
        headers: Mapping[str, str] | None = None,
        fault: Fault | None = None,
    ) -> None:
        """Send an answer, spoiling it on the way if a rule says so."""
        spoil = "" if fault is None else fault.kind
        cuts = ("truncate", "truncate_chunked", "end_without_length", "stall", "reset_midway")
        sent = fault.cut(body) if fault is not None and spoil in cuts else body
        if spoil == "flip":
            middle = len(body) // 2
            flipped = bytes(byte ^ 0xFF for byte in body[middle : middle + 64])
            sent = body[:middle] + flipped + body[middle + 64 :]
        if hasattr(self, "noted"):
            self.noted.status = code
        self.send_response(code)
        self.send_header("Content-Type", kind)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if spoil == "truncate_chunked":
            self.send_header("Transfer-Encoding", "chunked")
        elif spoil == "end_without_length":
            self.send_header("Connection", "close")
        else:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if spoil == "truncate_chunked":
            sent = b"%x\r\n%s\r\n" % (len(sent), sent)
        self.write(sent, fault.rate if fault is not None and spoil == "slow" else None)
        if fault is not None and spoil == "stall":
            self.server.ended.wait(fault.seconds)
        if spoil in cuts:
            self.close_connection = True
        if spoil == "reset_midway":
            time.sleep(0.05)  # let the client read what was sent: a reset discards it
            self.reset()

    def write(self, body: bytes, rate: float | None) -> None:
        """Write a body, at a rate in bytes per second if one is given."""
        if rate is None:
            self.wfile.write(body)
        else:
            step = max(1, int(rate / 20))
            for start in range(0, len(body), step):
                self.wfile.write(body[start : start + step])
                if self.server.ended.wait(step / rate):
                    break
        self.wfile.flush()

    def reset(self) -> None:
        """Reset the connection instead of closing it."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True
