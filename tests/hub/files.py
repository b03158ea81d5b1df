"""Which files `rerank pull` and `--model OWNER/NAME` fetch, where they lie, and who may fetch them at the same time.

Usage: files.py RERANK [NAME OF A TEST]...
"""

import json
import time

from cases import LARGE, ROOT, SMALL, Case, main, model, sharded
from server import COMMIT, Repository, Rule


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
        repository.files["model.safetensors.index.json"] = json.dumps(
            {"weight_map": {"a": "../../../x.safetensors"}}
        ).encode()
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
        self.assertEqual(
            [path for _, path, _ in hub.asked("GET /o/n/resolve")], [f"/o/n/resolve/{new.commit}/config.json"]
        )

    def test_names_that_would_lead_out_of_the_cache(self):
        repository = model()
        info = repository.info("o/n")
        info["siblings"] += [
            {"rfilename": name, "size": 4} for name in ("../../../evil", "/etc/evil", "..", "a/../../evil")
        ]
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
        info["siblings"] = [
            dict(entry, size=size) if entry["rfilename"] == "config.json" else entry for entry in info["siblings"]
        ]
        hub = self.hub(
            repository,
            rules=[
                Rule("/api/", "body", body=json.dumps(info).encode()),
                Rule("HEAD .*config.json", "headers", headers={"Content-Length": str(size)}),
            ],
        )
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


class Together(Case):
    def test_two_processes_fetch_once(self):
        hub = self.hub(LARGE, bytes_per_second=20 << 20)
        processes = [self.program.start(hub, "pull", "o/n") for _ in range(3)]
        answers = [process.communicate(timeout=120) for process in processes]
        self.assertEqual([process.returncode for process in processes], [0, 0, 0], answers)
        self.expect_whole(LARGE)
        for name in [*SMALL, "model.safetensors"]:
            fetched = sum(
                int(headers.get("Range", "=0").split("=")[1].split("-")[0] == "0")
                for _, _, headers in hub.asked(f"GET .*/{name}")
            )
            self.assertEqual(fetched, 1, name)
        self.assertTrue(any("waiting for another program" in err for _, err in answers), answers)

    def test_the_one_that_waits_goes_on_when_the_first_dies(self):
        hub = self.hub(LARGE, bytes_per_second=8 << 20)
        first = self.program.start(hub, "pull", "o/n")
        deadline = time.monotonic() + 60
        while not [
            path for path in self.program.repository().glob("blobs/*.incomplete") if path.stat().st_size > 1 << 20
        ]:
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
        return self.hub(
            Repository({path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}, **more)
        )

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
        code, _, err = self.program.run(
            hub, "quantize", "o/n", str(self.program.home / "small"), "--dtype", "int8", "--quiet"
        )
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
            self.assertEqual(list(row["memory_bytes"])[len(needed) - len(row["fits"]) :], row["fits"], row)
        # What models/verify knows about the same models.
        for path in (ROOT / "models" / "verify").glob("*.json"):
            card = json.loads(path.read_text())
            for name in card["names"]:
                if name in rows:
                    self.assertEqual(rows[name]["method"], card["method"], name)


if __name__ == "__main__":
    main(__doc__)
