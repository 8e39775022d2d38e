"""A Hugging Face hub on 127.0.0.1 that serves a folder, and fails on request.

    with LoopbackHub(folder) as hub:           # folder/OWNER/NAME/model.safetensors
        hub.modes["OWNER/NAME"] = "flip"
        subprocess.run([...], env=hub.environment(home))
        assert hub.count("GET", "OWNER/NAME") == 1

A client reads its address from HF_ENDPOINT when huggingface_hub is imported, hence the child process.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

MODES = {
    "ok": "the file",
    "flip": "the same length, one bit changed",
    "truncated": "half of the file, as if it were the whole",
    "drop": "the connection breaks midway, once",
    "drop-always": "the connection breaks midway, every time",
    "html": "a web page instead of the file",
    "portal": "a web page instead of every answer",
    "429": "Retry-After: 86400",
    "429-later": "the same, once the file itself is asked for",
    "503": "the hub is down",
    "stall": "no answer",
}

PAGE = b"<html>Please log in.</html>"


def save_test_resnet(path: Path) -> None:
    """Writes seeded random weights of timm's `test_resnet.r160_in1k` (1.9 MB, 1000 classes)."""
    import timm
    import torch
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_file(timm.create_model("test_resnet.r160_in1k").state_dict(), path)


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]


@dataclass
class LoopbackHub:
    """Serves `folder`/OWNER/NAME/FILE as the repository OWNER/NAME; `modes` says by repository how.

    `advance` makes a new commit; the old one is still served to who asks for it by its digits.
    """

    folder: Path
    modes: dict[str, str] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)

    def __enter__(self) -> LoopbackHub:
        self.closing = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.hub = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def environment(self, home: Path) -> dict[str, str]:
        """The environment of a child process that knows this hub alone, and caches in `home`."""
        others = ("HF_", "HUGGINGFACE", "TRANSFORMERS_", "XDG_", "HTTP_", "HTTPS_", "ALL_")
        clean = {name: value for name, value in os.environ.items() if not name.upper().startswith(others)}
        return clean | {"HF_ENDPOINT": self.endpoint, "HF_HOME": str(home)}

    def commit(self, repo_id: str) -> str:
        """The 40 hexadecimal digits of the only commit; they change with the files."""
        digest = hashlib.sha1(repo_id.encode())
        for path in sorted(self.folder.joinpath(repo_id).iterdir()):
            digest.update(path.read_bytes())
        return digest.hexdigest()

    def advance(self, repo_id: str, files: dict[str, bytes]) -> None:
        """Replaces the files of the branch."""
        shutil.copytree(self.folder / repo_id, self.folder / f"{repo_id}@{self.commit(repo_id)}")
        for name, content in files.items():
            (self.folder / repo_id / name).write_bytes(content)

    def count(self, method: str, repo_id: str) -> int:
        return sum(r.method == method and r.path.startswith(f"/{repo_id}/") for r in self.requests)


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # joined at the end, so that no socket stays open
    hub: LoopbackHub


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        hub = self.server.hub
        hub.requests.append(Request(self.command, self.path, dict(self.headers)))
        repo_id, _, name = self.path.removeprefix("/").partition("/resolve/")
        mode = hub.modes.get(repo_id, "ok")
        revision, _, filename = name.partition("/")
        old = hub.folder / f"{repo_id}@{revision}"
        path = (old if old.is_dir() else hub.folder / repo_id) / filename
        if mode == "stall":
            hub.closing.wait()
        elif mode == "503":
            self._send(503)
        elif mode == "429" or (mode == "429-later" and with_body):
            self._send(429, {"Retry-After": "86400"})
        elif mode == "portal" or (mode == "html" and with_body):
            self._send(200, {"Content-Type": "text/html"}, PAGE)
        elif not path.parent.is_dir():
            self._send(401, {"X-Error-Code": "RepoNotFound"})
        elif not path.is_file():
            self._send(404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": hub.commit(repo_id)})
        else:
            commit = revision if old.is_dir() else hub.commit(repo_id)
            self._send_file(path.read_bytes(), repo_id, commit, mode)

    def _send_file(self, content: bytes, repo_id: str, commit: str, mode: str) -> None:
        sha256 = hashlib.sha256(content).hexdigest()
        headers = {
            "ETag": f'"{sha256}"',
            "X-Linked-Etag": f'"{sha256}"',
            "X-Linked-Size": str(len(content)),
            "X-Repo-Commit": commit,
            "Accept-Ranges": "bytes",
        }
        if self.command == "HEAD":
            return self._send(200, headers, content)
        if mode == "flip":
            content = content[:-1] + bytes([content[-1] ^ 1])
        if mode == "truncated":
            content = content[: len(content) // 2]
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0])
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        breaks = mode == "drop-always" or (mode == "drop" and self.server.hub.count("GET", repo_id) == 1)
        return self._send(206 if start else 200, headers, content[start:], breaks=breaks)

    def _send(
        self, status: int, headers: dict[str, str] | None = None, body: bytes = b"", *, breaks: bool = False
    ) -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[: len(body) // 2] if breaks else body)

    def log_message(self, *args: object) -> None:
        """Keeps the tests' output quiet."""
