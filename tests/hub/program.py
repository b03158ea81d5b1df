"""`rerank` with a cache of its own and none of the machine's settings."""

import os
import pathlib
import subprocess
import tempfile

SETTINGS = ("HF_", "HUGGING", "TRANSFORMERS_OFFLINE", "XDG_CACHE_HOME", "SSL_CERT", "CURL_CA", "REQUESTS_CA")


class Program:
    def __init__(self, path):
        self.path = str(pathlib.Path(path).resolve())
        self.folder = tempfile.TemporaryDirectory(prefix="rerank-hub-")
        self.home = pathlib.Path(self.folder.name)
        self.cache = self.home / "cache"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.folder.cleanup()

    def environment(self, hub, **more):
        clean = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(SETTINGS) and not name.lower().endswith("_proxy")
        }
        clean |= {
            "HOME": str(self.home),
            "HF_HUB_CACHE": str(self.cache),
            "HF_ENDPOINT": hub if isinstance(hub, str) else hub.url,
        }
        return clean | more

    def start(self, hub, *arguments, **environment):
        return subprocess.Popen(
            [self.path, *arguments],
            env=self.environment(hub, **environment),
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def run(self, hub, *arguments, timeout=120, **environment):
        """(exit code, stdout, stderr)"""
        process = self.start(hub, *arguments, **environment)
        out, err = process.communicate(timeout=timeout)
        return process.returncode, out, err

    def pull(self, hub, *arguments, **environment):
        """The folder that a pull that has to work gives."""
        code, out, err = self.run(hub, "pull", *arguments, **environment)
        assert code == 0, err
        return pathlib.Path(out.strip())

    def repository(self, name="o/n"):
        return self.cache / ("models--" + name.replace("/", "--"))
