"""The page at / in a headless Chromium: it ranks, reports what was cut, and marks what changed between two settings.

Usage: page.py RERANK [FOLDER]    with FOLDER it leaves screenshots there: light.png, dark.png, reasoning.png
Exit code: 0 good, 1 not, 77 skipped (there is no Chromium).
"""

import html
import json
import os
import pathlib
import re
import sys
import tempfile
import urllib.parse
import urllib.request

import browser
from browser import Browser, Page
from server import Server

if browser.PROGRAM is None:
    print("SKIPPED: no Chromium")
    sys.exit(77)

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHARED = pathlib.Path(os.environ.get("RERANK_SHARED_DIR", ROOT.parent / "shared"))
PASSAGES = ["hi", "It is a bear species endemic to China, sometimes called panda bear.", "Pandas eat bamboo."]


# The page says so when the rankings that it was asked for are there.
RANKED = "document.getElementById('ranking').getAttribute('aria-busy') === 'false'"


def address_of(url, link):
    return url + "/#" + urllib.parse.urlencode(link, quote_via=urllib.parse.quote)


def sections_of(page):
    return re.findall(r'<section class="result".*?</section>', page.dom(), re.S)


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


def check_moves(chromium, url):
    """A passage whose end is what counts falls behind another where it loses its end."""
    passages = ["The weather is fine today, and so it was all week. A panda is a bear that eats bamboo.", "hi",
                "Pandas is a library."]
    link = [("query", "what is panda?"), *(("passage", passage) for passage in passages), ("b.max_length", "18")]
    with Page(chromium, address_of(url, link), RANKED) as page:
        first, second = sections_of(page)
    assert "cut off" in text_of(second), text_of(second)
    marks = expect_moves(places_of(first), second)
    assert any("up" in mark for mark in marks) and any("down" in mark for mark in marks), marks


def check_reasoning(chromium, program, model, folder):
    """A reasoning model's answer comes as a stream; what it wrote stands below each passage."""
    with Server(program, "--model", str(model), "--dtype", "f32", "--max-new-tokens", "64") as url:
        body = {"query": "what is panda?", "documents": PASSAGES, "return_reasoning": True}
        request = urllib.request.Request(url + "/rerank", json.dumps(body).encode(),
                                         {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=120) as response:
            expected = json.load(response)["results"]
        link = [("query", "what is panda?"), *(("passage", passage) for passage in PASSAGES)]
        with Page(chromium, address_of(url, link), RANKED) as page:
            [section] = sections_of(page)
            states = page.evaluate("window.states")
            if folder:
                page.evaluate("document.querySelectorAll('#ranking details').forEach((d) => { d.open = true; })")
                page.screenshot(pathlib.Path(folder) / "reasoning.png", "light")
        assert "scores: probability" in text_of(section), text_of(section)
        entries = entries_of(section)
        assert len(entries) == len(expected) == len(PASSAGES)
        for entry, result in zip(entries, expected):
            assert f"passage {result['index'] + 1}," in text_of(entry), entry
            thought = html.unescape(re.search(r'<div class="thought">(.*?)</div>', entry, re.S).group(1))
            assert result["reasoning"] and thought == result["reasoning"], (thought, result)
            assert ("verdict forced" in text_of(entry)) == (not result["finished"]), entry
        # The texts grew before the reader's eyes: the page was without a score while a part of the first stood there.
        begin = expected[0]["reasoning"].split()[0]
        assert any(re.search("Thinking|Done", state) and begin in state and "scores:" not in state for state in states), \
            states[-1]


def check_comparison(chromium, url, folder):
    """Two settings side by side."""
    link = [("query", "what is panda?"), *(("passage", passage) for passage in PASSAGES), ("b.max_length", "12"),
            ("b.raw_scores", "true")]
    with Page(chromium, address_of(url, link), RANKED) as page:
        dom, sections = page.dom(), sections_of(page)
        for scheme in ("light", "dark") if folder else ():
            page.screenshot(pathlib.Path(folder) / f"{scheme}.png", scheme)
    assert len(sections) == 2, text_of(dom)[-600:]
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
    marks = expect_moves(places_of(sections[0]), sections[1])
    # What is read out: the rankings in a sentence, and not each piece of them.
    best = next(passage for passage, place in places_of(sections[0]).items() if place == 1)
    moved = sum(mark != "same place" for mark in marks)
    assert f"Ranked 3 passages. Best: passage {best} with" in text_of(dom), text_of(dom)
    assert (f"Compared: {moved} of 3 passages changed place." if moved else "no passage changed place.") in text_of(dom)
    assert "aria-live" not in dom
    assert "embedded (cross-encoder)" in text_of(dom)
    # Everything that can be filled in has a name that is read out.
    for control in re.findall(r"<(?:input|select|textarea)[^>]*>", dom):
        name = re.search(r'id="([^"]*)"', control)
        assert name is None or f'for="{name.group(1)}"' in dom or re.search(
            r"<label[^>]*>[^<]*" + re.escape(control), dom), control


def check_keyboard(chromium, url):
    """Everything can be reached by Tab, in the order in which it is read, and Enter ranks."""
    with Page(chromium, url + "/", "document.querySelector('#server').textContent.includes('embedded')") as page:
        reached = []
        for _ in range(40):
            page.press("Tab")
            name = page.evaluate("(e => e.id || e.dataset.name || e.className)(document.activeElement)")
            if name in reached:
                break
            reached.append(name)
        # What this model does not know is not offered.
        assert reached[:9] == ["skip", "query", "passages", "file", "model", "max_length", "long_document_strategy",
                               "raw_scores", "rank"], reached
        page.evaluate("document.getElementById('query').focus()")
        page.press("Enter")
        page.wait("document.getElementById('summary').textContent.startsWith('Ranked 4 passages.')")


def check_key(chromium, program):
    """A server that wants a key gets a field for it."""
    with tempfile.NamedTemporaryFile("w", suffix=".keys") as keys:
        keys.write("secret\n")
        keys.flush()
        with Server(program, "--api-keys", keys.name) as url:
            with Page(chromium, url + "/", "document.getElementById('server').textContent.includes('key')") as page:
                assert "This server wants a key." in page.dom(), text_of(page.dom())[-300:]
                assert '<p class="field" id="key-field">' in page.dom()


def main():
    program = str(pathlib.Path(sys.argv[1]).resolve())
    folder = sys.argv[2] if len(sys.argv) > 2 else None
    toy = SHARED / "golden" / "rank1-toy"
    with Browser() as chromium:
        with Server(program) as url:
            check_comparison(chromium, url, folder)
            check_keyboard(chromium, url)
            check_moves(chromium, url)
        if toy.is_dir():
            check_reasoning(chromium, program, toy, folder)
        else:
            print(f"skipped  the page of a reasoning model: {toy} is not there")
        check_key(chromium, program)


if __name__ == "__main__":
    main()
