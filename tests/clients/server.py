"""A `rerank serve` to talk to."""

import socket
import subprocess
import time
import urllib.request


class Server:
    """`rerank serve` with these options, until the end of the block."""

    def __init__(self, program, *options):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen([program, "serve", "--no-log", "--port", str(port), *options])

    def __enter__(self):
        deadline = time.monotonic() + 120
        while True:
            try:
                urllib.request.urlopen(self.url + "/health", timeout=5).close()
                return self.url
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    self.process.kill()
                    raise RuntimeError(f"rerank serve is not ready; exit code {self.process.poll()}")
                time.sleep(0.05)

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(60)
