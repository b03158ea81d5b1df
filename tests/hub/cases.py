"""What the tests of `rerank pull` share: models to fetch, a hub that has them, and what has to be there afterwards."""

import json
import os
import pathlib
import random
import sys
import unittest

from program import Program
from server import Hub, Repository

ROOT = pathlib.Path(__file__).resolve().parents[2]
RERANK = sys.argv.pop(1) if len(sys.argv) > 1 else ""

SMALL = {"config.json": b'{"architectures": ["X"]}', "tokenizer.json": b"{}", "special_tokens_map.json": b"{}\n"}
LARGE_BYTES = 40 << 20  # three ranges


def random_bytes(count, seed=1):
    return random.Random(seed).randbytes(count)


def model(weights_bytes=100_000, **more):
    files = {
        **SMALL,
        "model.safetensors": random_bytes(weights_bytes),
        "README.md": b"# hi",
        "pytorch_model.bin": b"pickled",
        "onnx/model.onnx": b"another form",
        "model.gguf": b"and another",
    }
    return Repository(files, **more)


def sharded(count=3):
    shards = {f"model-{i:05}-of-{count:05}.safetensors": random_bytes(10_000, i) for i in range(count)}
    index = json.dumps({"weight_map": {f"tensor.{i}": name for i, name in enumerate(shards)}}).encode()
    return Repository(
        {**SMALL, **shards, "model.safetensors.index.json": index, "unused.safetensors": b"nobody names it"}
    )


LARGE = model(LARGE_BYTES)


class Case(unittest.TestCase):
    def setUp(self):
        self.program = Program(RERANK)
        self.addCleanup(self.program.__exit__)

    def hub(self, repository=None, **more):
        hub = Hub({"o/n": repository or model()}, **more)
        hub.__enter__()
        self.addCleanup(hub.__exit__)
        return hub

    def expect_whole(self, repository, names=None):
        """The snapshot holds these files, byte for byte, as relative links to blobs called by their checksum."""
        snapshot = self.program.repository() / "snapshots" / repository.commit
        names = sorted(names or [*SMALL, "model.safetensors"])
        self.assertEqual(sorted(path.name for path in snapshot.iterdir()), names)
        for name in names:
            self.assertEqual((snapshot / name).read_bytes(), repository.files[name], name)
            self.assertEqual(os.readlink(snapshot / name), f"../../blobs/{repository.etag(name)}")
        self.assertEqual(list(self.program.repository().glob("blobs/*.incomplete")), [])

    def expect_error(self, code, says, hub, *arguments, name="o/n", **environment):
        got, out, err = self.program.run(hub, "pull", name, *arguments, **environment)
        self.assertEqual((got, out), (code, ""), err)
        self.assertRegex(err, says)
        self.assertNotIn("internal error", err)
        return err


def main(usage):
    if not RERANK:
        sys.exit(usage)
    unittest.main(module="__main__", verbosity=2, warnings="ignore")
