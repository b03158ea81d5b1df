"""The page at / in a headless Chromium: it ranks, reports what was cut, and marks what changed between two settings.

Usage: page.py RERANK [FOLDER]    with FOLDER it leaves screenshots there, light.png and dark.png
Exit code: 0 good, 1 not, 77 skipped (there is no Chromium).
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.parse

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
if BROWSER is None:
    print("SKIPPED: no Chromium")
    sys.exit(77)

from server import Server

PASSAGES = ["hi", "It is a bear species endemic to China, sometimes called panda bear.", "Pandas eat bamboo."]


def browse(url, *options):
    with tempfile.TemporaryDirectory() as profile:
        return subprocess.run([BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                               f"--user-data-dir={profile}", "--virtual-time-budget=8000", *options, url],
                              capture_output=True, text=True, timeout=120).stdout


def text_of(html):
    return " ".join(re.sub(r"<[^>]*>", " ", html).split())


def main():
    program = str(pathlib.Path(sys.argv[1]).resolve())
    link = [("query", "what is panda?"), *(("passage", passage) for passage in PASSAGES), ("b.max_length", "12"),
            ("b.raw_scores", "true")]
    with Server(program) as url:
        address = url + "/#" + urllib.parse.urlencode(link, quote_via=urllib.parse.quote)
        page = browse(address, "--dump-dom")
        sections = re.findall(r'<section class="result".*?</section>', page, re.S)
        assert len(sections) == 2, text_of(page)[-600:]
        first, second = map(text_of, sections)
        assert "scores: sigmoid" in first and "cut off" not in first, first
        assert "scores: raw" in second and "max_length 12" in second, second
        assert "cut off" in second and "from" in second or "same place" in second, second
        for passage in PASSAGES:
            assert passage in first and passage in second, passage
        assert first.index(PASSAGES[0]) > first.index(PASSAGES[1]), first
        for section in sections:
            assert section.count('class="fill"') == len(PASSAGES)
        assert "embedded (cross-encoder)" in text_of(page)
        # Everything that can be filled in has a name that is read out.
        for control in re.findall(r"<(?:input|select|textarea)[^>]*>", page):
            name = re.search(r'id="([^"]*)"', control)
            assert name is None or f'for="{name.group(1)}"' in page or re.search(
                r"<label[^>]*>[^<]*" + re.escape(control), page), control
        if len(sys.argv) > 2:
            out = pathlib.Path(sys.argv[2])
            for name, scheme in (("light", "1"), ("dark", "0")):
                browse(address, "--window-size=1100,1250", f"--blink-settings=preferredColorScheme={scheme}",
                       f"--screenshot={out / (name + '.png')}")
    with tempfile.NamedTemporaryFile("w", suffix=".keys") as keys:
        keys.write("secret\n")
        keys.flush()
        with Server(program, "--api-keys", keys.name) as url:
            page = browse(url + "/", "--dump-dom")
            assert "This server wants a key." in page, text_of(page)[-300:]
            assert '<p class="field" id="key-field">' in page


if __name__ == "__main__":
    main()
