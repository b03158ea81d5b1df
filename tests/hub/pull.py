"""`rerank pull` and `--model OWNER/NAME` against a hub that misbehaves in every way that hubs and networks do.

Usage: pull.py RERANK [NAME OF A TEST]...
"""

import hashlib
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time
import unittest

from program import Program
from server import COMMIT, Hub, Repository, Rule, git_sha1, retry_after_date, sha256

ROOT = pathlib.Path(__file__).resolve().parents[2]
RERANK = sys.argv.pop(1) if len(sys.argv) > 1 else ""

SMALL = {"config.json": b'{"architectures": ["X"]}', "tokenizer.json": b"{}", "special_tokens_map.json": b"{}\n"}
LARGE_BYTES = 40 << 20  # three ranges


def random_bytes(count, seed=1):
    return random.Random(seed).randbytes(count)


def model(weights_bytes=100_000, **more):
    files = {**SMALL, "model.safetensors": random_bytes(weights_bytes), "README.md": b"# hi",
             "pytorch_model.bin": b"pickled", "onnx/model.onnx": b"another form", "model.gguf": b"and another"}
    return Repository(files, **more)


def sharded(count=3):
    shards = {f"model-{i:05}-of-{count:05}.safetensors": random_bytes(10_000, i) for i in range(count)}
    index = json.dumps({"weight_map": {f"tensor.{i}": name for i, name in enumerate(shards)}}).encode()
    return Repository({**SMALL, **shards, "model.safetensors.index.json": index, "unused.safetensors": b"nobody names it"})


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


class Files(Case):
    def test_only_what_a_checkpoint_needs(self):
        repository = model()
        hub = self.hub(repository)
        folder = self.program.pull(hub, "o/n")
        self.assertEqual(folder, self.program.repository() / "snapshots" / COMMIT)
        self.expect_whole(repository)
        self.assertEqual((self.program.repository() / "refs" / "main").read_text(), COMMIT)

    def test_what_is_there_is_not_fetched_again(self):
        hub = self.hub()
        self.program.pull(hub, "o/n")
        hub.requests.clear()
        self.program.pull(hub, "o/n")
        self.assertEqual(len(hub.requests), 1, hub.requests)
        hub.requests.clear()
        self.program.pull(hub, "o/n", "--revision", COMMIT)
        self.assertEqual(hub.requests, [])

    def test_shards_are_those_of_the_index(self):
        repository = sharded()
        self.program.pull(self.hub(repository), "o/n")
        self.expect_whole(repository, [name for name in repository.files if name != "unused.safetensors"])

    def test_an_index_that_names_what_is_not_there(self):
        repository = sharded()
        del repository.files["model-00001-of-00003.safetensors"]
        self.expect_error(3, "index names model-00001-of-00003.safetensors, which is not there", self.hub(repository))

    def test_an_index_that_leads_out_of_the_folder(self):
        repository = sharded()
        repository.files["model.safetensors.index.json"] = json.dumps({"weight_map": {"a": "../../../x.safetensors"}}).encode()
        self.expect_error(3, "is not the plain name", self.hub(repository))

    def test_an_adapter(self):
        repository = Repository({"adapter_config.json": b"{}", "adapter_model.safetensors": b"lora", "README.md": b""})
        self.program.pull(self.hub(repository), "o/n")
        self.expect_whole(repository, ["adapter_config.json", "adapter_model.safetensors"])

    def test_without_safetensors_nothing_is_fetched(self):
        repository = Repository({**SMALL, "pytorch_model.bin": b"pickled"})
        self.expect_error(1, "pytorch_model.bin but no safetensors", self.hub(repository))
        self.assertFalse(self.program.cache.exists())

    def test_without_tokenizer_it_says_so_and_is_whole(self):
        repository = Repository({"config.json": b"{}", "model.safetensors": b"w"})
        hub = self.hub(repository)
        code, _, err = self.program.run(hub, "pull", "o/n")
        self.assertEqual(code, 0, err)
        self.assertIn("no tokenizer.json", err)
        hub.requests.clear()
        self.program.pull(hub, "o/n", "--offline")
        self.assertEqual(hub.requests, [])

    def test_revisions(self):
        repository = model(revisions=("main", "v1.0", "refs/pr/7", COMMIT[:7]))
        hub = self.hub(repository)
        for revision in ("v1.0", "refs/pr/7", COMMIT[:7], COMMIT):
            self.program.pull(hub, "o/n", "--revision", revision)
            if revision != COMMIT:
                self.assertEqual((self.program.repository() / "refs" / revision).read_text(), COMMIT)
        self.assertEqual(len(hub.asked("GET /o/n/resolve")), 4)  # each file once
        self.expect_error(1, 'has no revision "v9"', hub, "--revision", "v9")
        self.expect_error(1, "is no revision", hub, "--revision", "../../x")

    def test_a_new_commit_shares_what_did_not_change(self):
        old, new = model(), model(commit="f" * 40)
        new.files["config.json"] = b'{"architectures": ["Y"]}'
        hub = self.hub(old)
        self.program.pull(hub, "o/n")
        hub.repositories["o/n"] = new
        hub.requests.clear()
        self.program.pull(hub, "o/n")
        self.expect_whole(new)
        self.assertEqual([path for _, path, _ in hub.asked("GET /o/n/resolve")], [f"/o/n/resolve/{new.commit}/config.json"])

    def test_names_that_would_lead_out_of_the_cache(self):
        repository = model()
        info = repository.info("o/n")
        info["siblings"] += [{"rfilename": name, "size": 4} for name in ("../../../evil", "/etc/evil", "..", "a/../../evil")]
        hub = self.hub(repository, rules=[Rule("/api/", "body", body=json.dumps(info).encode())])
        self.program.pull(hub, "o/n")
        self.expect_whole(repository)
        self.assertEqual(list(self.program.home.rglob("evil")), [])
        info["sha"] = "../../../../tmp"
        hub.rules = [Rule("/api/", "body", body=json.dumps(info).encode())]
        self.expect_error(3, "is no commit", hub)

    def test_no_room(self):
        repository = model()
        info = repository.info("o/n")
        size = 10**18
        info["siblings"] = [dict(entry, size=size) if entry["rfilename"] == "config.json" else entry for entry in info["siblings"]]
        hub = self.hub(repository, rules=[Rule("/api/", "body", body=json.dumps(info).encode()),
                                          Rule("HEAD .*config.json", "headers", headers={"Content-Length": str(size)})])
        self.expect_error(3, r"needs 1000000000.0 GB more.*HF_HUB_CACHE", hub)
        self.assertEqual(hub.asked("GET .*resolve"), [])

    def test_a_folder_that_may_not_be_written(self):
        self.program.cache.write_text("a file in its place")
        self.expect_error(3, "HF_HUB_CACHE", self.hub())

    def test_json(self):
        code, out, err = self.program.run(self.hub(), "pull", "o/n", "--json", "--quiet")
        self.assertEqual((code, err), (0, ""))
        answer = json.loads(out)
        self.assertEqual(answer["commit"], COMMIT)
        self.assertEqual(answer["fetched"], 4)
        self.assertEqual(answer["files"], sorted([*SMALL, "model.safetensors"]))
        self.assertEqual(answer["bytes"], 100_000 + sum(map(len, SMALL.values())))


class Network(Case):
    def test_large_files_come_in_ranges_side_by_side(self):
        hub = self.hub(LARGE)
        self.program.pull(hub, "o/n")
        self.expect_whole(LARGE)
        ranges = sorted(headers["Range"] for _, _, headers in hub.asked("GET .*model.safetensors"))
        self.assertEqual(ranges, ["bytes=0-16777215", "bytes=16777216-33554431", "bytes=33554432-41943039"])

    def test_cut_connections_go_on_where_they_stopped(self):
        hub = self.hub(LARGE, rules=[Rule("GET .*safetensors", "cut", times=6, bytes=1_000_000),
                                     Rule("GET .*tokenizer.json", "cut", times=1, bytes=1)])
        self.program.pull(hub, "o/n")
        self.expect_whole(LARGE)

    def test_a_server_that_always_cuts_is_given_up_and_what_came_is_kept(self):
        hub = self.hub(rules=[Rule("GET .*safetensors", "cut", bytes=1000)])
        self.expect_error(3, r"model.safetensors, byte \d+ of 100000.*goes on where it stopped", hub, "--retries", "1")
        (beginning,) = self.program.repository().glob("blobs/*.incomplete")
        self.assertEqual(beginning.stat().st_size, 2000)
        self.assertFalse((self.program.repository() / "refs").exists())
        hub.rules.clear()
        hub.requests.clear()
        self.program.pull(hub, "o/n")
        self.expect_whole(hub.repositories["o/n"])
        self.assertEqual([headers.get("Range") for _, _, headers in hub.asked("GET .*safetensors")], ["bytes=2000-99999"])

    def test_a_killed_pull_goes_on(self):
        hub = self.hub(LARGE, bytes_per_second=8 << 20)
        process = self.program.start(hub, "pull", "o/n")
        deadline = time.monotonic() + 60
        while not (sizes := [path.stat().st_size for path in self.program.repository().glob("blobs/*.incomplete")]) or max(sizes) < 2 << 20:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)
        process.kill()
        process.communicate()
        (beginning,) = self.program.repository().glob("blobs/*.incomplete")
        there = beginning.stat().st_size
        # Without gaps: whoever else goes on behind it gets the file.
        self.assertEqual(beginning.read_bytes(), LARGE.files["model.safetensors"][:there])
        hub.bytes_per_second = None
        hub.requests.clear()
        self.program.pull(hub, "o/n")
        self.expect_whole(LARGE)
        first = min(int(headers["Range"][6:].split("-")[0]) for _, _, headers in hub.asked("GET .*safetensors"))
        self.assertEqual(first, there)

    def test_ctrl_c_ends_it(self):
        hub = self.hub(rules=[Rule("GET .*safetensors", "drip")])
        process = self.program.start(hub, "pull", "o/n")
        deadline = time.monotonic() + 60
        while not hub.asked("GET .*safetensors"):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=10)
        self.assertEqual(process.returncode, -signal.SIGINT)

    def test_a_beginning_that_is_wrong_is_thrown_away(self):
        repository = model()
        hub = self.hub(repository)
        for wrong in (b"not the beginning", b"x" * 100_000, b"y" * 200_000):
            blobs = self.program.repository() / "blobs"
            blobs.mkdir(parents=True, exist_ok=True)
            (blobs / (repository.etag("model.safetensors") + ".incomplete")).write_bytes(wrong)
            self.program.pull(hub, "o/n")
            self.expect_whole(repository)
            shutil.rmtree(self.program.cache)

    def test_a_server_without_ranges(self):
        hub = self.hub(LARGE, rules=[Rule("GET .*safetensors", "no ranges")])
        self.program.pull(hub, "o/n")
        self.expect_whole(LARGE)

    def test_a_server_without_ranges_that_cuts(self):
        hub = self.hub(rules=[Rule("GET .*safetensors", "cut", times=1, bytes=30_000), Rule("GET .*safetensors", "no ranges")])
        self.program.pull(hub, "o/n")
        self.expect_whole(hub.repositories["o/n"])

    def test_another_range_than_asked_for(self):
        hub = self.hub(LARGE, rules=[Rule("GET .*safetensors", "wrong range", after=1)])
        self.expect_error(3, "answers with the range.*contradicts itself", hub)

    def test_answers_of_fewer_bytes_are_continued(self):
        hub = self.hub(rules=[Rule("GET .*safetensors", "short", bytes=70_000)])
        self.program.pull(hub, "o/n")
        self.expect_whole(hub.repositories["o/n"])

    def test_answers_of_more_bytes_are_refused(self):
        self.expect_error(3, "sends 100023 bytes, 100000 were announced", self.hub(rules=[Rule("GET .*safetensors", "long")]))

    def test_two_sizes(self):
        hub = self.hub(rules=[Rule("HEAD .*safetensors", "headers", headers={"Content-Length": "99"})])
        self.expect_error(3, "has two sizes: 100000 and 99 bytes", hub)

    def test_two_checksums(self):
        hub = self.hub(rules=[Rule("HEAD .*safetensors", "headers", headers={"ETag": '"' + "0" * 64 + '"'})])
        self.expect_error(3, "has two checksums", hub)

    def test_another_commit(self):
        hub = self.hub(rules=[Rule("HEAD .*safetensors", "headers", headers={"X-Repo-Commit": "e" * 40})])
        self.expect_error(3, "comes from another commit", hub)

    def test_wrong_bytes_are_not_kept(self):
        for name, sum_name in (("model.safetensors", "sha256"), ("tokenizer.json", "git sha1")):
            hub = self.hub(rules=[Rule(f"GET .*{name}", "wrong bytes")])
            self.expect_error(3, f"{name}: arrived with the {sum_name}", hub)
            self.assertEqual(list(self.program.repository().glob("blobs/*.incomplete")), [])
            hub.rules.clear()
            self.program.pull(hub, "o/n")
            self.expect_whole(hub.repositories["o/n"])
            shutil.rmtree(self.program.cache)

    def test_slow_drips_are_cut(self):
        hub = self.hub(rules=[Rule("GET .*safetensors", "drip", times=1)])
        self.program.pull(hub, "o/n", HF_HUB_DOWNLOAD_TIMEOUT="1")
        self.expect_whole(hub.repositories["o/n"])
        self.assertEqual(len(hub.asked("GET .*safetensors")), 2)

    def test_a_silent_server(self):
        hub = self.hub(rules=[Rule("/api/", "slow start", seconds=5)])
        self.expect_error(3, "HF_HUB_ETAG_TIMEOUT", hub, "--retries", "0", HF_HUB_ETAG_TIMEOUT="1")

    def test_passing_failures_are_tried_again(self):
        rules = [Rule("/api/", "status", times=1, code=503),
                 Rule("/api/", "status", times=1, code=429, headers={"Retry-After": "2"}),
                 Rule("HEAD .*config.json", "status", times=1, code=500),
                 Rule("GET .*config.json", "status", times=1, code=429, headers={"Retry-After": retry_after_date(2)}),
                 Rule("GET .*safetensors", "status", times=1, code=502)]
        hub = self.hub(rules=rules)
        began = time.monotonic()
        code, _, err = self.program.run(hub, "pull", "o/n")
        self.assertEqual(code, 0, err)
        self.assertGreaterEqual(time.monotonic() - began, 2)
        self.assertIn("the hub answers with 429: trying again in 2 s", err)
        self.expect_whole(hub.repositories["o/n"])

    def test_failures_that_stay(self):
        self.expect_error(3, "answers with 503.*try again later", self.hub(rules=[Rule("/api/", "status", code=503)]), "--retries", "1")
        self.expect_error(3, "limits how often", self.hub(rules=[Rule("/api/", "status", code=429, headers={"Retry-After": "9999"})]))
        self.expect_error(3, "config.json: the server answers with 500",
                          self.hub(rules=[Rule("GET .*config.json", "status", code=500)]), "--retries", "1")

    def test_no_hub_at_all(self):
        hub = self.hub(rules=[Rule("/api/", "body", body=b"<html>Please log in to this network</html>")])
        self.expect_error(3, "/api/models/o/n.*JSON", hub)
        self.expect_error(3, "is there a network", "http://127.0.0.1:1")
        self.expect_error(3, "is there a network", "http://no-such-host.invalid")
        self.expect_error(3, '(?i)protocol "gopher"', "gopher://127.0.0.1")

    def test_an_endless_answer(self):
        hub = self.hub(rules=[Rule("/api/", "body", body=b"[" * (33 << 20))])
        self.expect_error(3, "answers with more than", hub)

    def test_circles_of_redirects(self):
        hub = self.hub()
        hub.rules.append(Rule("/api/", "redirect", to=hub.url + "/api/models/o/n/revision/main"))
        self.expect_error(3, "redirects more than 10 times", hub)
        hub.rules = [Rule("GET .*config.json", "redirect", to="config.json")]
        self.expect_error(3, "config.json: the server answers with 302", hub)

    def test_redirects_to_other_kinds_of_addresses(self):
        hub = self.hub(rules=[Rule("HEAD .*config.json", "redirect", to="file:///etc/passwd")])
        self.expect_error(3, "redirects to file:///etc/passwd", hub)


class Access(Case):
    def storage_and_hub(self, repository):
        storage = self.hub(repository)
        return storage, self.hub(repository, storage=storage.url)

    def test_the_token_goes_to_the_hub_and_nowhere_else(self):
        storage, hub = self.storage_and_hub(model(token="hf_secret"))
        self.program.pull(hub, "o/n", HF_TOKEN="hf_secret")
        self.expect_whole(hub.repositories["o/n"])
        self.assertTrue(all(headers.get("Authorization") == "Bearer hf_secret" for _, _, headers in hub.requests))
        self.assertEqual(len(storage.asked("GET /blob")), 1)
        for _, _, headers in storage.requests:
            self.assertNotIn("hf_secret", str(headers))

    def test_a_second_redirect_takes_no_token_along(self):
        stranger = self.hub(model())
        hub = self.hub(model(token="hf_secret"))
        hub.rules.append(Rule("GET .*tokenizer.json", "redirect", to=stranger.url + "/blob/o/n/tokenizer.json"))
        self.program.pull(hub, "o/n", HF_TOKEN="hf_secret")
        self.assertEqual(len(stranger.requests), 1)
        self.assertNotIn("hf_secret", str(stranger.requests))

    def test_the_token_of_a_login(self):
        token = self.program.home / ".cache" / "huggingface" / "token"
        token.parent.mkdir(parents=True)
        token.write_text("hf_of_login\n")
        self.program.pull(self.hub(model(token="hf_of_login")), "o/n")

    def test_addresses_that_expire(self):
        storage, hub = self.storage_and_hub(LARGE)
        storage.rules.append(Rule("GET /blob", "status", times=2, after=1, code=403))
        self.program.pull(hub, "o/n")
        self.expect_whole(LARGE)
        self.assertGreaterEqual(len(hub.asked("HEAD .*model.safetensors")), 2)

    def test_errors_say_what_to_do(self):
        self.expect_error(1, "no such model, or it is private.*HF_TOKEN", self.hub(), name="o/other")
        self.expect_error(3, "gated.*ask for access at http://127.0.0.1:.*/o/n, then set HF_TOKEN", self.hub(model(gated="auto", token="t")))
        self.expect_error(3, "your token has no access", self.hub(model(gated="manual", token="t")), HF_TOKEN="other")
        self.expect_error(3, "does not accept your token", self.hub(), HF_TOKEN="expired")
        gone = self.hub(rules=[Rule("HEAD .*tokenizer.json", "status", code=404, headers={"X-Error-Code": "EntryNotFound"})])
        self.expect_error(1, "has no file tokenizer.json", gone)
        self.expect_error(1, "is no name of a model", self.hub(), name="no-owner")

    def certificate(self):
        pem, key = self.program.home / "cert.pem", self.program.home / "key.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-days", "2", "-subj", "/CN=hub", "-addext", "subjectAltName=IP:127.0.0.1,DNS:hub.test",
                        "-keyout", key, "-out", pem], check=True, capture_output=True)
        return str(pem), str(key)

    @unittest.skipUnless(shutil.which("openssl"), "no openssl")
    def test_encryption(self):
        pem, key = self.certificate()
        hub = self.hub(tls=(pem, key))
        self.expect_error(3, "(?i)certificate.*SSL_CERT_FILE", hub)
        self.program.pull(hub, "o/n", SSL_CERT_FILE=pem)
        self.expect_whole(hub.repositories["o/n"])

    @unittest.skipUnless(shutil.which("openssl"), "no openssl")
    def test_no_way_back_from_encryption(self):
        pem, key = self.certificate()
        plain = self.hub()
        hub = self.hub(tls=(pem, key), storage=plain.url)
        self.expect_error(3, "which is not encrypted", hub, SSL_CERT_FILE=pem)
        self.assertEqual(plain.requests, [])

    @unittest.skipUnless(shutil.which("openssl"), "no openssl")
    def test_a_proxy_for_https(self):
        pem, key = self.certificate()
        hub = self.hub(tls=(pem, key))
        proxy = self.hub(tunnels={"hub.test:443": hub.port})
        self.program.pull("https://hub.test", "o/n", SSL_CERT_FILE=pem, HTTPS_PROXY=proxy.url, HF_TOKEN="hf_secret")
        self.expect_whole(hub.repositories["o/n"])
        self.assertTrue(proxy.asked("CONNECT hub.test:443"))
        self.assertNotIn("hf_secret", str(proxy.requests))

    def test_a_proxy_for_http(self):
        proxy = self.hub()
        self.program.pull("http://hub.invalid", "o/n", http_proxy=proxy.url)
        self.expect_whole(proxy.repositories["o/n"])
        self.expect_error(3, "is there a network", "http://hub.invalid", http_proxy=proxy.url, NO_PROXY="hub.invalid", name="o/m")


class Together(Case):
    def test_two_processes_fetch_once(self):
        hub = self.hub(LARGE, bytes_per_second=20 << 20)
        processes = [self.program.start(hub, "pull", "o/n") for _ in range(3)]
        answers = [process.communicate(timeout=120) for process in processes]
        self.assertEqual([process.returncode for process in processes], [0, 0, 0], answers)
        self.expect_whole(LARGE)
        for name in [*SMALL, "model.safetensors"]:
            fetched = sum(int(headers.get("Range", "=0").split("=")[1].split("-")[0] == "0") for _, _, headers in hub.asked(f"GET .*/{name}"))
            self.assertEqual(fetched, 1, name)
        self.assertTrue(any("waiting for another program" in err for _, err in answers), answers)

    def test_the_one_that_waits_goes_on_when_the_first_dies(self):
        hub = self.hub(LARGE, bytes_per_second=8 << 20)
        first = self.program.start(hub, "pull", "o/n")
        deadline = time.monotonic() + 60
        while not [path for path in self.program.repository().glob("blobs/*.incomplete") if path.stat().st_size > 1 << 20]:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)
        second = self.program.start(hub, "pull", "o/n")
        while "waiting" not in second.stderr.readline():
            self.assertLess(time.monotonic(), deadline)
        first.kill()
        first.communicate()
        hub.bytes_per_second = None
        second.communicate(timeout=120)
        self.assertEqual(second.returncode, 0)
        self.expect_whole(LARGE)


class ByName(Case):
    """`--model OWNER/NAME`, with the embedded model as what the hub has."""

    def embedded(self, **more):
        folder = ROOT / "models" / "embedded"
        return self.hub(Repository({path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}, **more))

    def test_a_model_is_fetched_when_it_is_not_there(self):
        hub = self.embedded(revisions=("main", "v2"))
        tokenize = ("tokenize", "--input", "-", "--model", "o/n")
        code, out, err = self.program.run(hub, *tokenize, "--offline")
        self.assertEqual((code, out), (2, ""))
        self.assertRegex(err, "is not in the local Hugging Face cache.*rerank pull o/n")
        code, out, err = self.program.run(hub, *tokenize, HF_HUB_OFFLINE="1")
        self.assertEqual((code, hub.requests), (2, []))

        code, out, err = self.program.run(hub, "info", "--json", "--model", "o/n", "--revision", "v2")
        self.assertEqual(code, 0, err)
        self.assertEqual(json.loads(out)["name"], "o/n")
        self.assertRegex(err, r"fetching o/n from http://127.0.0.1:\d+: 4 files, 4\d.\d MB, into ")
        hub.requests.clear()
        for more in ((), ("--offline",)):
            code, out, err = self.program.run(hub, "info", "--model", "o/n", "--revision", "v2", *more)
            self.assertEqual((code, err, hub.requests), (0, "", []))
        # A revision of its own: what another one has says nothing about it.
        code, out, err = self.program.run(hub, *tokenize, "--offline")
        self.assertEqual(code, 2, err)

    def test_what_an_interrupted_download_lacks_is_fetched(self):
        hub = self.embedded()
        folder = self.program.pull(hub, "o/n")
        weights = folder / "model.safetensors"
        weights.resolve().unlink()
        weights.unlink()
        hub.requests.clear()
        code, out, err = self.program.run(hub, "info", "--model", "o/n")
        self.assertEqual(code, 0, err)
        self.assertEqual({path.rsplit("/", 1)[1] for _, path, _ in hub.asked("GET .*resolve")}, {"model.safetensors"})

    def test_a_folder_is_not_asked_for(self):
        hub = self.hub()
        code, _, err = self.program.run(hub, "info", "--model", str(ROOT / "models" / "embedded"))
        self.assertEqual((code, hub.requests), (0, []), err)
        code, _, err = self.program.run(hub, "info", "--model", "no/such-folder")
        self.assertEqual(code, 2)
        self.assertRegex(err, "is no folder here; http://127.0.0.1:.* has no such model")

    def test_quantize_and_models(self):
        hub = self.embedded()
        code, _, err = self.program.run(hub, "quantize", "o/n", str(self.program.home / "small"), "--dtype", "int8", "--quiet")
        self.assertEqual(code, 0, err)
        code, out, _ = self.program.run(hub, "models", "--json")
        self.assertEqual((code, [row for row in map(json.loads, out.splitlines()) if row["cached"]]), (0, []))
        hub.repositories["BAAI/bge-reranker-base"] = hub.repositories["o/n"]
        self.program.pull(hub, "BAAI/bge-reranker-base")
        code, out, _ = self.program.run(hub, "models", "--json")
        rows = {row["model"]: row for row in map(json.loads, out.splitlines())}
        self.assertEqual([name for name, row in rows.items() if row["cached"]], ["BAAI/bge-reranker-base"])
        code, out, _ = self.program.run(hub, "models")
        self.assertRegex(out, r"BAAI/bge-reranker-base +cross-encoder +1\.11 .* yes +Chinese, English +MIT")
        for row in rows.values():
            needed = list(row["memory_bytes"].values())
            self.assertEqual(needed, sorted(needed, reverse=True), row)
            self.assertEqual(list(row["memory_bytes"])[len(needed) - len(row["fits"]):], row["fits"], row)
        # What models/verify knows about the same models.
        for path in (ROOT / "models" / "verify").glob("*.json"):
            card = json.loads(path.read_text())
            for name in card["names"]:
                if name in rows:
                    self.assertEqual(rows[name]["method"], card["method"], name)


if __name__ == "__main__":
    if not RERANK:
        sys.exit(__doc__)
    unittest.main(verbosity=2, warnings="ignore")
