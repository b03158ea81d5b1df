"""What `rerank pull` stores the huggingface_hub package finds, offline, and the other way round.

Usage: shared_cache.py RERANK
Exit code: 0 they agree, 1 not, 77 skipped (the package is not installed).
"""

import importlib.util
import os
import pathlib
import sys
import threading
import time
import unittest

from program import Program
from server import COMMIT, Hub, Repository

ROOT = pathlib.Path(__file__).resolve().parents[2]

if importlib.util.find_spec("huggingface_hub") is None:
    # scripts/install-deps --tests puts the packages of the tests there.
    venv = ROOT / "build" / "venv"
    if venv.is_dir() and pathlib.Path(sys.prefix).resolve() != venv.resolve():
        os.execv(venv / "bin" / "python3", [str(venv / "bin" / "python3"), "-B", *sys.argv])
    print("SKIPPED: no Python here has huggingface_hub (scripts/install-deps --tests)")
    sys.exit(77)

RERANK = sys.argv.pop(1)
NEEDED = {
    "config.json": b'{"architectures": ["X"]}',
    "tokenizer.json": b"{}",
    "tokenizer_config.json": b"{}\n",
    "model.safetensors": os.urandom(300_000),
}
FILES = {**NEEDED, "README.md": b"# hi", "pytorch_model.bin": b"pickled"}

# The package reads its settings when it is imported: one hub and one cache for all tests, a model of its own for each.
PROGRAM = Program(RERANK)
HUB = Hub({}).__enter__()
for variable in [name for name in os.environ if name.startswith(("HF_", "HUGGING", "TRANSFORMERS_OFFLINE"))]:
    del os.environ[variable]
os.environ.update(PROGRAM.environment(HUB), HF_HUB_DISABLE_TELEMETRY="1", HF_HUB_DISABLE_PROGRESS_BARS="1")
import huggingface_hub  # noqa: E402
from huggingface_hub import hf_hub_download, scan_cache_dir, snapshot_download  # noqa: E402
from huggingface_hub.utils import WeakFileLock  # noqa: E402


class SharedCache(unittest.TestCase):
    def setUp(self):
        self.name = "o/" + self._testMethodName.replace("test_", "").replace("_", "-")
        self.repository = HUB.repositories[self.name] = Repository(FILES, revisions=("main", "v1"))
        HUB.requests.clear()
        HUB.bytes_per_second = None

    def gets(self):
        return [path.rsplit("/", 1)[1] for _, path, _ in HUB.asked(f"GET /{self.name}/resolve")]

    def expect_offline(self, folder):
        """Without the hub, the package finds each file of a model that `rerank pull` has stored."""
        HUB.requests.clear()
        self.assertEqual(snapshot_download(self.name, local_files_only=True), str(folder))
        for name, content in NEEDED.items():
            path = hf_hub_download(self.name, name, local_files_only=True)
            self.assertEqual(pathlib.Path(path).read_bytes(), content, name)
        self.assertEqual(HUB.requests, [])

    def test_what_we_pull_the_package_finds(self):
        folder = PROGRAM.pull(HUB, self.name)
        self.expect_offline(folder)
        self.assertEqual(
            hf_hub_download(self.name, "config.json", revision=COMMIT, local_files_only=True),
            str(folder / "config.json"),
        )
        PROGRAM.pull(HUB, self.name, "--revision", "v1")
        self.assertEqual(snapshot_download(self.name, revision="v1", local_files_only=True), str(folder))

    def test_online_the_package_fetches_only_the_rest(self):
        PROGRAM.pull(HUB, self.name)
        HUB.requests.clear()
        snapshot_download(self.name)
        self.assertEqual(sorted(self.gets()), ["README.md", "pytorch_model.bin"])

    def test_what_the_package_fetches_we_find(self):
        folder = snapshot_download(self.name)
        HUB.requests.clear()
        self.assertEqual(str(PROGRAM.pull(HUB, self.name, HF_HUB_OFFLINE="1")), folder)
        self.assertEqual(HUB.requests, [])
        self.assertEqual(str(PROGRAM.pull(HUB, self.name)), folder)
        self.assertEqual(self.gets(), [])

    def test_what_the_package_began_we_finish(self):
        hf_hub_download(self.name, "config.json")
        hf_hub_download(self.name, "model.safetensors", revision="v1")
        HUB.requests.clear()
        code, _, err = PROGRAM.run(HUB, "pull", self.name, "--offline")
        self.assertEqual(code, 1, err)
        self.assertIn("tokenizer.json missing", err)
        folder = PROGRAM.pull(HUB, self.name)
        self.assertEqual(sorted(self.gets()), ["tokenizer.json", "tokenizer_config.json"])
        self.expect_offline(folder)

    def test_the_package_sees_a_sound_cache(self):
        PROGRAM.pull(HUB, self.name)
        found = scan_cache_dir()
        self.assertEqual([str(warning) for warning in found.warnings], [])
        (repository,) = [entry for entry in found.repos if entry.repo_id == self.name]
        (revision,) = repository.revisions
        self.assertEqual((revision.commit_hash, sorted(revision.refs)), (COMMIT, ["main"]))
        self.assertEqual(sorted(file.file_name for file in revision.files), sorted(NEEDED))
        self.assertEqual(revision.size_on_disk, sum(map(len, NEEDED.values())))

    def test_we_wait_for_the_packages_lock(self):
        lock = (
            PROGRAM.cache
            / ".locks"
            / f"models--{self.name.replace('/', '--')}"
            / f"{self.repository.etag('model.safetensors')}.lock"
        )
        lock.parent.mkdir(parents=True)
        with WeakFileLock(lock):
            process = PROGRAM.start(HUB, "pull", self.name)
            while "waiting for another program" not in (line := process.stderr.readline()):
                self.assertNotEqual(line, "")
            self.assertNotIn("model.safetensors", self.gets())
        process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0)

    def test_both_at_once_fetch_each_file_once(self):
        HUB.bytes_per_second = 200_000
        thread = threading.Thread(target=snapshot_download, args=(self.name,), kwargs={"max_workers": 1})
        thread.start()
        deadline = time.monotonic() + 60
        while "model.safetensors" not in self.gets():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)
        PROGRAM.pull(HUB, self.name)
        thread.join()
        self.assertEqual(self.gets().count("model.safetensors"), 1)


if __name__ == "__main__":
    print(f"huggingface_hub {huggingface_hub.__version__}", flush=True)
    with PROGRAM:
        unittest.main(verbosity=2, warnings="ignore")
