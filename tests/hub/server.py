"""A hub to fetch from on this machine, and its storage: honest, or misbehaving on purpose.

Everything is decided by rules that a test sets: a rule says which requests it is about and what goes wrong. Requests
are remembered, so that a test can say what was asked, and with which headers.

Usage by hand: server.py PORT   serves one small model, docs/tiny, until it is killed; for docs/hub.md
"""

import email.utils
import functools
import hashlib
import http.server
import json
import re
import socket
import ssl
import struct
import sys
import threading
import time
import urllib.parse

COMMIT = "0123456789abcdef0123456789abcdef01234567"
SMALL = 10 * 1024 * 1024  # files above are in large file storage


@functools.lru_cache(maxsize=64)
def git_sha1(content):
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@functools.lru_cache(maxsize=64)
def sha256(content):
    return hashlib.sha256(content).hexdigest()


class Repository:
    """A model: {file: bytes}. `stored` are those in large file storage, besides the large ones."""

    def __init__(
        self, files, commit=COMMIT, stored=("model.safetensors",), gated=False, token=None, revisions=("main",)
    ):
        self.files, self.commit, self.gated, self.token = dict(files), commit, gated, token
        self.revisions = {*revisions, commit}
        self.stored = {
            name
            for name, content in self.files.items()
            if name in stored or name.endswith(".safetensors") or len(content) > SMALL
        }

    def etag(self, name):
        return sha256(self.files[name]) if name in self.stored else git_sha1(self.files[name])

    def info(self, name):
        siblings = []
        for file, content in self.files.items():
            entry = {"rfilename": file, "size": len(content), "blobId": git_sha1(content)}
            if file in self.stored:
                entry["lfs"] = {"sha256": sha256(content), "size": len(content), "pointerSize": 135}
            siblings.append(entry)
        return {"_id": "0", "id": name, "sha": self.commit, "private": False, "gated": self.gated, "siblings": siblings}


class Rule:
    """What goes wrong with requests whose "METHOD /path" matches, the first `times` times after `after` of them.

    what: "status" (code, headers), "cut" (after `bytes` of the body), "drip" (a byte each 0.3 s), "short" (an honest
    answer of fewer bytes), "long" (more bytes than announced), "wrong bytes" (of the right length), "no ranges" (200 for
    a range), "wrong range" (another range than asked for), "body" (`body` instead), "redirect" (to `to`), "headers"
    (these instead), "slow start" (nothing for `seconds`).
    """

    def __init__(self, match, what, times=10**9, after=0, **more):
        self.match, self.what, self.times, self.after, self.more = re.compile(match), what, times, after, more
        self.seen = 0

    def applies(self, request):
        if not self.match.search(request):
            return False
        self.seen += 1
        return self.after < self.seen <= self.after + self.times


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.answer()

    def do_GET(self):
        self.answer()

    def do_CONNECT(self):
        """As a proxy for HTTPS."""
        with self.server.hub.lock:
            self.server.hub.requests.append(("CONNECT", self.path, dict(self.headers)))
        port = self.server.hub.tunnels.get(self.path)
        if port is None:
            return self.plain(502, b"")
        other = socket.create_connection(("127.0.0.1", port))
        self.send_response(200)
        self.end_headers()

        def pump(source, sink):
            try:
                while data := source.recv(65536):
                    sink.sendall(data)
                sink.shutdown(socket.SHUT_WR)
            except OSError:
                pass

        thread = threading.Thread(target=pump, args=(other, self.connection), daemon=True)
        thread.start()
        pump(self.connection, other)
        thread.join()
        self.close_connection = True

    def answer(self):
        hub = self.server.hub
        path = self.path
        if path.startswith("http://"):  # as a proxy
            path = "/" + path.split("/", 3)[3]
        request = f"{self.command} {path}"
        with hub.lock:
            hub.requests.append((self.command, self.path, dict(self.headers)))
            rule = next((rule for rule in hub.rules if rule.applies(request)), None)
        try:
            self.route(path, rule)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def route(self, path, rule):
        hub, plain = self.server.hub, urllib.parse.unquote(urllib.parse.urlsplit(path).path)
        if rule and rule.what == "status":
            return self.plain(rule.more["code"], rule.more.get("body", b""), rule.more.get("headers", {}))
        if rule and rule.what == "body":
            return self.plain(200, rule.more["body"], {"Content-Type": "application/json"})
        if rule and rule.what == "redirect":
            return self.plain(302, b"elsewhere", {"Location": rule.more["to"]})
        if rule and rule.what == "slow start":
            time.sleep(rule.more["seconds"])
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/(.+))?", plain):
            repository = hub.repositories.get(found[1])
            if refused := self.refused(repository, found[2] or "main"):
                return refused()
            return self.json(repository.info(found[1]))
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/tree/(.+)", plain):
            repository = hub.repositories.get(found[1])
            if refused := self.refused(repository, found[2]):
                return refused()
            return self.json(
                [
                    {
                        "type": "file",
                        "path": entry["rfilename"],
                        "size": entry["size"],
                        "oid": entry["blobId"],
                        **(
                            {"lfs": {"oid": entry["lfs"]["sha256"], "size": entry["lfs"]["size"], "pointerSize": 135}}
                            if "lfs" in entry
                            else {}
                        ),
                    }
                    for entry in repository.info(found[1])["siblings"]
                ]
            )
        if found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", plain):
            repository = hub.repositories.get(found[1])
            if refused := self.refused(repository, found[2]):
                return refused()
            if found[3] not in repository.files:
                return self.plain(
                    404, b"Entry not found", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": repository.commit}
                )
            headers = {"X-Repo-Commit": repository.commit, "Accept-Ranges": "bytes"}
            content, etag = repository.files[found[3]], repository.etag(found[3])
            if found[3] in repository.stored and hub.storage:
                headers |= {
                    "X-Linked-Etag": f'"{etag}"',
                    "X-Linked-Size": str(len(content)),
                    "ETag": '"of-the-redirect"',
                    "Location": f"{hub.storage}/blob/{found[1]}/{found[3]}?signed=yes",
                }
                if rule and rule.what == "headers":
                    headers |= rule.more["headers"]
                return self.plain(302, b"elsewhere", headers)
            headers["ETag"] = f'"{etag}"'
            if rule and rule.what == "headers":
                headers |= rule.more["headers"]
            return self.content(content, headers, rule)
        if found := re.fullmatch(r"/blob/([^/]+/[^/]+)/(.+)", plain):
            return self.content(hub.repositories[found[1]].files[found[2]], {}, rule)
        return self.plain(404, b"no such page")

    def refused(self, repository, revision):
        bearer = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if bearer == "expired":
            return lambda: self.plain(401, b"{}", {"X-Error-Message": "Invalid credentials in Authorization header"})
        if repository is None or (repository.token and bearer != repository.token and not repository.gated):
            return lambda: self.plain(401, b"{}", {"X-Error-Code": "RepoNotFound"})
        if repository.gated and bearer != repository.token:
            code = 403 if bearer else 401
            return lambda: self.plain(
                code, b"{}", {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access is restricted"}
            )
        if revision not in repository.revisions:
            return lambda: self.plain(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
        return None

    def json(self, value):
        self.plain(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def plain(self, status, body, headers=None):
        self.send_response(status)
        headers = {"Content-Length": str(len(body)), **(headers or {})}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def content(self, content, headers, rule):
        what, size = rule.what if rule else "", len(content)
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        begin, end, status = 0, size, 200
        if asked and what != "no ranges":
            begin, end = int(asked[1]), min(int(asked[2] or size - 1) + 1, size)
            if begin >= size:
                return self.plain(416, b"")
            status = 206
            if what == "wrong range":
                begin, end = begin - 1, end - 1
            headers["Content-Range"] = f"bytes {begin}-{end - 1}/{size}"
        body = content[begin:end]
        if what == "short":
            body = body[: rule.more["bytes"]]
            headers.pop("Content-Range", None)
            if status == 206:
                headers["Content-Range"] = f"bytes {begin}-{begin + len(body) - 1}/{size}"
        if what == "long":
            body = body + b"more than was announced"
        if what == "wrong bytes":
            body = bytes(byte ^ 1 for byte in body[:1]) + body[1:]
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if what == "cut":
            self.wfile.write(body[: rule.more["bytes"]])
            self.wfile.flush()
            # A reset, and not the polite end of a connection.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True
            return
        if what == "drip":
            for at in range(len(body)):
                self.wfile.write(body[at : at + 1])
                self.wfile.flush()
                time.sleep(0.3)
            return
        pace = self.server.hub.bytes_per_second
        if not pace:
            self.wfile.write(body)
            return
        step = max(1, pace // 20)
        for at in range(0, len(body), step):
            self.wfile.write(body[at : at + step])
            time.sleep(0.05)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):  # a client that hangs up is what some tests are about
            super().handle_error(request, client_address)


class Hub:
    """A server until the end of the block. `storage` is another Hub's address, where redirects of large files go."""

    def __init__(self, repositories, storage=None, rules=(), tls=None, tunnels=None, bytes_per_second=None, port=0):
        self.repositories, self.storage, self.rules = repositories, storage, list(rules)
        self.requests, self.lock, self.tunnels, self.bytes_per_second = (
            [],
            threading.Lock(),
            tunnels or {},
            bytes_per_second,
        )
        self.server = Server(("127.0.0.1", port), Handler)
        self.server.hub = self
        self.port = self.server.server_address[1]
        scheme = "http"
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
            scheme = "https"
        self.url = f"{scheme}://127.0.0.1:{self.port}"

    def __enter__(self):
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def asked(self, pattern):
        """The requests whose "METHOD path" matches, as (method, path, headers)."""
        with self.lock:
            return [entry for entry in self.requests if re.search(pattern, f"{entry[0]} {entry[1]}")]


def retry_after_date(seconds):
    return email.utils.formatdate(time.time() + seconds, usegmt=True)


def main():
    import pathlib

    folder = pathlib.Path(__file__).resolve().parents[2] / "models" / "embedded"
    files = {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}
    files["pytorch_model.bin"] = b"not asked for"
    with Hub({"docs/tiny": Repository(files, revisions=("main", "v1.0"))}, port=int(sys.argv[1])) as hub:
        print(hub.url, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
