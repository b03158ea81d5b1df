#!/usr/bin/env python3
"""Runs bench/compare and bench/plot with a made-up peer: race_test.py RERANK."""
import json
import pathlib
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parents[2]
PEER = '''
import time
class Peer:
    def __init__(self, options):
        self.batch = options.batch
    def score(self, pairs):
        time.sleep(0.01 * len(pairs))
        return [0.0] * len(pairs), 7 * len(pairs)
class Broken:
    def __init__(self, options):
        raise SystemExit("this peer cannot be loaded")
Onnx = Broken
'''


def race(folder, *options):
    command = [sys.executable, ROOT / "bench/compare", ROOT / "models/embedded", folder / "workload.jsonl", "--binary",
               sys.argv[1], "--peers-script", folder / "peers.py", "--rounds", "2", "--dtype", "f32", "--max-length", "128",
               *options]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)


def check(what, holds):
    if not holds:
        sys.exit(f"failed: {what}")


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "peers.py").write_text(PEER, encoding="utf-8")
        passages = ["Pandas eat bamboo. " * 20, "Rust is iron oxide.", "The red panda is no bear."]
        rows = [{"query": "what do pandas eat?", "passages": passages}, {"query": "what is rust?", "passages": passages}]
        (folder / "workload.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        done = race(folder, "--length", "short", "--shape", "pair", "--queries", "3", "--json", folder / "race.json")
        check(f"the race ends well: {done.stderr}", done.returncode == 0)
        check(f"the table has the peer: {done.stdout}", "| torch:bf16 |" in done.stdout)
        result = json.loads((folder / "race.json").read_text(encoding="utf-8"))
        check("three calls of one pair", result["pairs"] == 3 and result["rounds"][0]["ours"]["calls"] == 3)
        check("short passages", result["tokens_a_pair"] < 60)
        for figures in result["rounds"]:
            peer = figures["torch:bf16"]
            check("the peer took what it slept", 0.01 <= peer["latency_p50_s"] < 1 and peer["pairs_s"] < 100)
            check("ours has a share of the peak", 0 < figures["ours"]["peak_share"] < 1)
        ratios = result["ratios"]["torch:bf16"]
        first = result["rounds"][0]
        check("a ratio is of one round", ratios["pairs_s"][0] == first["ours"]["pairs_s"] / first["torch:bf16"]["pairs_s"])

        plot = [sys.executable, ROOT / "bench/plot", folder / "race.json", "--output", folder / "plot.svg"]
        subprocess.run(list(map(str, plot)), check=True)
        drawn = "".join(xml.etree.ElementTree.parse(folder / "plot.svg").getroot().itertext())
        check("the plot names the race and the peer", "embedded, short, pair" in drawn and "torch:bf16" in drawn)

        broken = race(folder, "--peer", "onnx:int8", "--queries", "1", "--passages", "1")
        check("a peer that cannot be loaded ends the race", broken.returncode != 0)
        check(f"and says why: {broken.stderr}", "this peer cannot be loaded" in broken.stderr)


if __name__ == "__main__":
    main()
