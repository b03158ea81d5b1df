"""The page at / in a headless Chromium: it ranks, reports what was cut, and marks what changed between two settings.

Usage: page.py RERANK [FOLDER]    with FOLDER it leaves screenshots there, light.png and dark.png
Exit code: 0 good, 1 not, 77 skipped (there is no Chromium).
"""

import html
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
if BROWSER is None:
    print("SKIPPED: no Chromium")
    sys.exit(77)

from server import Server

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHARED = pathlib.Path(os.environ.get("RERANK_SHARED_DIR", ROOT.parent / "shared"))
PASSAGES = ["hi", "It is a bear species endemic to China, sometimes called panda bear.", "Pandas eat bamboo."]


def browse(url, *options):
    with tempfile.TemporaryDirectory() as profile:
        return subprocess.run([BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                               f"--user-data-dir={profile}", "--virtual-time-budget=8000", *options, url],
                              capture_output=True, text=True, timeout=120).stdout


def text_of(page):
    return " ".join(re.sub(r"<[^>]*>", " ", page).split())


def entries_of(section):
    return re.findall(r"<li.*?</li>", section, re.S)


def places_of(section):
    """The place of each passage, by the number that it has in the request."""
    return {int(re.search(r"passage (\d+)", text_of(entry)).group(1)): place
            for place, entry in enumerate(entries_of(section), 1)}


def expect_moves(before, section):
    """Every entry says, in words and with a mark, where it came from. Gives the marks."""
    marks = []
    for passage, place in places_of(section).items():
        entry = text_of(entries_of(section)[place - 1])
        was = before[passage]
        marks.append("same place" if was == place else
                     f"\u25b2 up {was - place} from {was}" if was > place else f"\u25bc down {place - was} from {was}")
        assert marks[-1] in entry, (marks[-1], entry)
        kind = 'class="up"' if was > place else 'class="down"'
        assert (kind in entries_of(section)[place - 1]) == (was != place), entry
    return marks


def ranking_of(url, link):
    """The page's two rankings, of a link."""
    page = browse(url + "/#" + urllib.parse.urlencode(link, quote_via=urllib.parse.quote), "--dump-dom")
    return re.findall(r'<section class="result".*?</section>', page, re.S)


def check_moves(url):
    """A passage whose end is what counts falls behind another where it loses its end."""
    passages = ["The weather is fine today, and so it was all week. A panda is a bear that eats bamboo.", "hi",
                "Pandas is a library."]
    first, second = ranking_of(url, [("query", "what is panda?"), *(("passage", passage) for passage in passages),
                                     ("b.max_length", "18")])
    assert "cut off" in text_of(second), text_of(second)
    marks = expect_moves(places_of(first), second)
    assert any("up" in mark for mark in marks) and any("down" in mark for mark in marks), marks


def check_reasoning(program, model):
    """A reasoning model's answer comes as a stream; what it wrote stands below each passage."""
    with Server(program, "--model", str(model), "--dtype", "f32", "--max-new-tokens", "64") as url:
        body = {"query": "what is panda?", "documents": PASSAGES, "return_reasoning": True}
        request = urllib.request.Request(url + "/rerank", json.dumps(body).encode(),
                                         {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=120) as response:
            expected = json.load(response)["results"]
        [section] = ranking_of(url, [("query", "what is panda?"), *(("passage", passage) for passage in PASSAGES)])
        assert "scores: probability" in text_of(section), text_of(section)
        entries = entries_of(section)
        assert len(entries) == len(expected) == len(PASSAGES)
        for entry, result in zip(entries, expected):
            assert f"passage {result['index'] + 1}," in text_of(entry), entry
            thought = html.unescape(re.search(r'<div class="thought">(.*?)</div>', entry, re.S).group(1))
            assert result["reasoning"] and thought == result["reasoning"], (thought, result)
            assert ("verdict forced" in text_of(entry)) == (not result["finished"]), entry


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
        assert "\u25b2" not in first and "\u25bc" not in first, first
        expect_moves(places_of(sections[0]), sections[1])
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
        check_moves(url)
    toy = SHARED / "golden" / "rank1-toy"
    if toy.is_dir():
        check_reasoning(program, toy)
    else:
        print(f"skipped  the page of a reasoning model: {toy} is not there")
    with tempfile.NamedTemporaryFile("w", suffix=".keys") as keys:
        keys.write("secret\n")
        keys.flush()
        with Server(program, "--api-keys", keys.name) as url:
            page = browse(url + "/", "--dump-dom")
            assert "This server wants a key." in page, text_of(page)[-300:]
            assert '<p class="field" id="key-field">' in page


if __name__ == "__main__":
    main()
