"""The page of `rerank report` in a headless Chromium: it draws what `rerank run` noted, sorts, filters and prints.

Usage: report.py RERANK [FOLDER]    with FOLDER it leaves report-light.png, report-dark.png and report.pdf there
Exit code: 0 good, 1 not, 77 skipped (there is no Chromium).
"""

import base64
import json
import pathlib
import subprocess
import sys
import tempfile

import browser
from browser import Browser, Page

if browser.PROGRAM is None:
    print("SKIPPED: no Chromium")
    sys.exit(77)

COLLECTION = pathlib.Path(__file__).resolve().parents[2] / "examples" / "collection"


def make_report(program, folder):
    """A report of the small collection's first stage and its reranking, and the same as data."""
    def rerank(*arguments):
        subprocess.run([program, *map(str, arguments)], cwd=folder, check=True, capture_output=True)

    rerank("run", "--dataset", COLLECTION, "--run", COLLECTION / "bm25.trec", "--output", "reranked.trec", "--normalize",
           "--quiet")
    rerank("report", COLLECTION / "bm25.trec", "reranked.trec", "--dataset", COLLECTION, "--qrels",
           COLLECTION / "qrels" / "test.tsv", "--output", "report.html", "--json", "report.json", "--title", "Words, model")
    return folder / "report.html", json.loads((folder / "report.json").read_text())


class Report:
    def __init__(self, page):
        self.page = page

    def count(self, selector):
        return self.page.evaluate(f"document.querySelectorAll({json.dumps(selector)}).length")

    def texts(self, selector):
        return self.page.evaluate(f"[...document.querySelectorAll({json.dumps(selector)})].map(e => e.textContent)")

    def column(self, table, number):
        return self.texts(f"#{table} tbody tr:not(.details) td:nth-child({number})")

    def run(self, script):
        """Raises what the page's own code raises."""
        failed = self.page.evaluate(f"(() => {{ try {{ {script} }} catch (e) {{ return String(e); }} }})()")
        assert failed is None, failed

    def choose(self, control, value):
        self.run(f"const c = document.getElementById('{control}'); c.value = {json.dumps(value)};"
                 "c.dispatchEvent(new Event(c.tagName === 'INPUT' ? 'input' : 'change'));")


def check_plots(report, data):
    assert data["work"][0] is None and len(data["work"][1]["queries"]) == len(data["queries"]), data["work"]
    assert report.texts("#means td:first-child")[1] == "reranked.trec"
    assert report.column("work", 1) == ["reranked.trec"], "the first stage has no file beside it"
    assert report.column("work", 2) == [str(len(data["queries"]))]
    assert report.count("#latency figure") == 2 and report.count("#scores figure") == 2
    assert report.count("#latency figure:nth-child(2) circle") == len(data["queries"])
    assert report.count("#calibration figure") == 1, "BM25 scores are no probabilities"
    assert report.count("#sorted rect") == len(data["queries"])
    numbers = report.texts("#work td, figcaption, svg text, .passage .soft")
    assert not [text for text in numbers if "e+" in text], "no numbers as 1.00e+3"


def check_sorting(report, data):
    report.run("document.querySelectorAll('#queries th')[1].click()")
    values = [float(text) for text in report.column("queries", 2)]
    assert values == sorted(values, reverse=True) and len(values) == len(data["queries"]), values
    assert report.texts("#queries th[aria-sort]") == report.texts("#queries th:nth-child(2)")
    # With the keyboard, the other way round.
    report.run("document.querySelectorAll('#queries th')[1]"
               ".dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter'}))")
    assert [float(text) for text in report.column("queries", 2)] == sorted(values)


def check_filters(report, data):
    measure = data["measures"].index("nDCG@10")
    change = [q["values"][1][measure] - q["values"][0][measure] for q in data["queries"]]
    for kind, expected in [("better", sum(c > 1e-12 for c in change)), ("worse", sum(c < -1e-12 for c in change))]:
        report.choose("kind", kind)
        assert len(report.column("queries", 1)) == expected, kind
    report.choose("kind", "all")
    first = data["queries"][0]
    report.choose("filter", first["id"] + " " + first["text"].split()[0].upper())
    assert first["id"] + ": " + first["text"] in report.column("queries", 1)
    assert len(report.column("queries", 1)) < len(data["queries"])
    report.choose("filter", "no such words")
    assert report.column("queries", 1) == []
    report.choose("filter", "")
    assert len(report.column("queries", 1)) == len(data["queries"])


def check_passages(report, data):
    report.run("document.querySelector('tr.query').click()")
    assert report.count("tr.details") == 1 and report.count("tr.details .passage") == 6
    assert "tokens" in " ".join(report.texts("tr.details"))
    report.run("document.querySelector('tr.query').click()")
    assert report.count("tr.details") == 0
    report.run("document.getElementById('open').click()")
    assert report.count("tr.details") == len(data["queries"])


def check_looks(page, folder):
    colours = {}
    for scheme in ("light", "dark"):
        page.screenshot(folder / f"report-{scheme}.png", scheme, height=2600)
        colours[scheme] = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert colours["light"] == "rgb(255, 255, 255)" and colours["dark"] != colours["light"], colours
    # On paper the colours are the light ones, whatever the screen has, and all passages that are open are there.
    page.call("Emulation.setEmulatedMedia", media="print",
              features=[{"name": "prefers-color-scheme", "value": "dark"}])
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.querySelector('.controls')).display") == "none"
    pdf = base64.b64decode(page.call("Page.printToPDF", printBackground=False)["data"])
    (folder / "report.pdf").write_bytes(pdf)
    assert pdf.startswith(b"%PDF"), pdf[:20]
    assert pdf.count(b"/Type /Page\n") >= 3, "the open passages take several pages"


def main():
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        looks = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else folder
        file, data = make_report(sys.argv[1], folder)
        with Browser() as chromium, Page(chromium, file.as_uri(), "document.title === 'Words, model'") as page:
            report = Report(page)
            check_plots(report, data)
            check_sorting(report, data)
            check_filters(report, data)
            check_passages(report, data)
            check_looks(page, looks)
    print("good")


main()
