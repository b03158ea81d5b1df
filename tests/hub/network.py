"""`rerank pull` over networks and from hubs that cut, lie, drip, fail, redirect and refuse.

Usage: network.py RERANK [NAME OF A TEST]...
"""

import shutil
import signal
import subprocess
import time
import unittest

from cases import LARGE, Case, main, model
from server import Rule, retry_after_date


class Network(Case):
    def test_large_files_come_in_ranges_side_by_side(self):
        hub = self.hub(LARGE)
        self.program.pull(hub, "o/n")
        self.expect_whole(LARGE)
        ranges = sorted(headers["Range"] for _, _, headers in hub.asked("GET .*model.safetensors"))
        self.assertEqual(ranges, ["bytes=0-16777215", "bytes=16777216-33554431", "bytes=33554432-41943039"])

    def test_cut_connections_go_on_where_they_stopped(self):
        hub = self.hub(
            LARGE,
            rules=[
                Rule("GET .*safetensors", "cut", times=6, bytes=1_000_000),
                Rule("GET .*tokenizer.json", "cut", times=1, bytes=1),
            ],
        )
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
        self.assertEqual(
            [headers.get("Range") for _, _, headers in hub.asked("GET .*safetensors")], ["bytes=2000-99999"]
        )

    def test_a_killed_pull_goes_on(self):
        hub = self.hub(LARGE, bytes_per_second=8 << 20)
        process = self.program.start(hub, "pull", "o/n")
        deadline = time.monotonic() + 60
        while (
            not (sizes := [path.stat().st_size for path in self.program.repository().glob("blobs/*.incomplete")])
            or max(sizes) < 2 << 20
        ):
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
        hub = self.hub(
            rules=[Rule("GET .*safetensors", "cut", times=1, bytes=30_000), Rule("GET .*safetensors", "no ranges")]
        )
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
        self.expect_error(
            3, "sends 100023 bytes, 100000 were announced", self.hub(rules=[Rule("GET .*safetensors", "long")])
        )

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
        rules = [
            Rule("/api/", "status", times=1, code=503),
            Rule("/api/", "status", times=1, code=429, headers={"Retry-After": "2"}),
            Rule("HEAD .*config.json", "status", times=1, code=500),
            Rule("GET .*config.json", "status", times=1, code=429, headers={"Retry-After": retry_after_date(2)}),
            Rule("GET .*safetensors", "status", times=1, code=502),
        ]
        hub = self.hub(rules=rules)
        began = time.monotonic()
        code, _, err = self.program.run(hub, "pull", "o/n")
        self.assertEqual(code, 0, err)
        self.assertGreaterEqual(time.monotonic() - began, 2)
        self.assertIn("the hub answers with 429: trying again in 2 s", err)
        self.expect_whole(hub.repositories["o/n"])

    def test_failures_that_stay(self):
        self.expect_error(
            3,
            "answers with 503.*try again later",
            self.hub(rules=[Rule("/api/", "status", code=503)]),
            "--retries",
            "1",
        )
        self.expect_error(
            3, "limits how often", self.hub(rules=[Rule("/api/", "status", code=429, headers={"Retry-After": "9999"})])
        )
        self.expect_error(
            3,
            "config.json: the server answers with 500",
            self.hub(rules=[Rule("GET .*config.json", "status", code=500)]),
            "--retries",
            "1",
        )

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
        self.expect_error(
            3,
            "gated.*ask for access at http://127.0.0.1:.*/o/n, then set HF_TOKEN",
            self.hub(model(gated="auto", token="t")),
        )
        self.expect_error(3, "your token has no access", self.hub(model(gated="manual", token="t")), HF_TOKEN="other")
        self.expect_error(3, "does not accept your token", self.hub(), HF_TOKEN="expired")
        gone = self.hub(
            rules=[Rule("HEAD .*tokenizer.json", "status", code=404, headers={"X-Error-Code": "EntryNotFound"})]
        )
        self.expect_error(1, "has no file tokenizer.json", gone)
        self.expect_error(1, "is no name of a model", self.hub(), name="no-owner")

    def certificate(self):
        pem, key = self.program.home / "cert.pem", self.program.home / "key.pem"
        subprocess.run(
            [
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
                "-days",
                "2",
                "-subj",
                "/CN=hub",
                "-addext",
                "subjectAltName=IP:127.0.0.1,DNS:hub.test",
                "-keyout",
                key,
                "-out",
                pem,
            ],
            check=True,
            capture_output=True,
        )
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
        self.expect_error(
            3, "is there a network", "http://hub.invalid", http_proxy=proxy.url, NO_PROXY="hub.invalid", name="o/m"
        )


if __name__ == "__main__":
    main(__doc__)
