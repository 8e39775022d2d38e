"""Object storage on 127.0.0.1 that serves a folder by S3's protocol: what a client needs to list and to read.

with ObjectStore(folder) as store:         # folder/BUCKET/KEY
    subprocess.run([...], env={**os.environ, **store.variables})
"""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape


@dataclass
class ObjectStore:
    """`denied` keys are answered with 403; `asked` are method and path of each request."""

    folder: Path
    denied: set[str] = field(default_factory=set)
    asked: list[tuple[str, str]] = field(default_factory=list)

    def __enter__(self) -> ObjectStore:
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.store = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def variables(self) -> dict[str, str]:
        """The environment in which a client finds this store, and needs no other."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._server.server_port}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        }


class _Server(ThreadingHTTPServer):
    daemon_threads = True  # clients keep their connections
    store: ObjectStore


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        store, parts = self.server.store, urlsplit(self.path)
        store.asked.append((self.command, self.path))
        bucket, _, key = unquote(parts.path).lstrip("/").partition("/")
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        path = store.folder / bucket / key
        if key in store.denied:
            self._send(403, b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>")
        elif "list-type" in query:
            self._send(200, self._listing(bucket, query).encode())
        elif not key or not path.is_file():
            self._send(404, b"<Error><Code>NoSuchKey</Code><Message>none</Message></Error>")
        else:
            self._send_object(path)

    def _listing(self, bucket: str, query: dict[str, str]) -> str:
        """Keys below a prefix; with a delimiter the folders directly below it instead of what they hold."""
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        top = self.server.store.folder / bucket
        keys = [path.relative_to(top).as_posix() for path in sorted(top.rglob("*")) if path.is_file()]
        objects, folders = [], set()
        for key in (key for key in keys if key.startswith(prefix)):
            first, found, _ = key[len(prefix) :].partition(delimiter) if delimiter else (key, "", "")
            if found:
                folders.add(prefix + first + delimiter)
            else:
                size = (top / key).stat().st_size
                objects.append(
                    f"<Contents><Key>{escape(key)}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
                    f"<ETag>&quot;0&quot;</ETag><Size>{size}</Size><StorageClass>STANDARD</StorageClass></Contents>"
                )
        common = "".join(
            f"<CommonPrefixes><Prefix>{escape(f)}</Prefix></CommonPrefixes>" for f in sorted(folders)
        )
        return (
            '<?xml version="1.0" encoding="UTF-8"?>'
            '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>{bucket}</Name><Prefix>{escape(prefix)}</Prefix><KeyCount>{len(objects) + len(folders)}"
            f"</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated>{''.join(objects)}{common}"
            "</ListBucketResult>"
        )

    def _send_object(self, path: Path) -> None:
        content = path.read_bytes()
        headers = {
            "ETag": f'"{hashlib.md5(content).hexdigest()}"',  # what S3 gives
            "Last-Modified": formatdate(path.stat().st_mtime, usegmt=True),
            "Accept-Ranges": "bytes",
        }
        wanted = self.headers.get("Range")
        if wanted is None or self.command == "HEAD":
            return self._send(200, content, headers)
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        part = content[int(first) : int(last) + 1 if last else None]
        headers["Content-Range"] = f"bytes {first}-{int(first) + len(part) - 1}/{len(content)}"
        return self._send(206, part, headers)

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Keeps the tests' output quiet."""
