"""Makes two training sources out of packages of Debian 12, for texts of more kinds than question answering has.

debian-descriptions: the short description of a package is the query, its long one the passage: software for every trade, science
among them. Packages that share a first paragraph count once. wordnet: the words of a meaning are the query, its definition the
passage. Both get no negatives of their own; pools.py finds them.

Needs apt (lists with English descriptions are fetched into its own folder, not into the system's) and dpkg-deb.

Example:
  python debian.py --out extra
"""
import argparse
import glob
import os
import re
import subprocess

import data

# Says nothing of what the package is for.
EMPTY = re.compile(r"transitional|dummy|metapackage|meta-package|debug(ging)? symbols|empty package", re.IGNORECASE)
SIDE_NOTE = re.compile(r" *[(\[][^()\[\]]*[)\]] *$")  # "(development files)", "[data]"


def fetch(work):
    """Returns the text of all descriptions of the main section, and the folder of WordNet's files."""
    lists = os.path.join(work, "lists")
    os.makedirs(os.path.join(lists, "partial"), exist_ok=True)
    apt = ["-o", "Acquire::Languages=en", "-o", f"Dir::State::lists={os.path.abspath(lists)}"]
    subprocess.run(["apt-get", *apt, "-qq", "update"], check=True)
    found = sorted(glob.glob(os.path.join(lists, "*_dists_bookworm_main_i18n_Translation-en*")))
    if not found:
        raise SystemExit("error: apt has no English descriptions of Debian 12 (bookworm); are its sources set up?")
    text = subprocess.run(["/usr/lib/apt/apt-helper", "cat-file", found[0]], check=True, capture_output=True).stdout
    if not glob.glob(os.path.join(work, "wordnet-base_*.deb")):
        subprocess.run(["apt-get", *apt, "-qq", "download", "wordnet-base"], cwd=work, check=True)
    package = sorted(glob.glob(os.path.join(work, "wordnet-base_*.deb")))[-1]
    subprocess.run(["dpkg-deb", "-x", package, work], check=True)
    return text.decode("utf-8"), os.path.join(work, "usr/share/wordnet")


def descriptions(text):
    """Yields (short description, long description), sorted by package."""
    seen, queries = set(), set()
    for block in sorted(text.split("\n\n")):
        _, found, description = block.partition("\nDescription-en: ")
        title, _, body = description.partition("\n")
        paragraphs = re.split(r"\n \.\n", "\n" + body)
        paragraphs = [" ".join(line.strip() for line in p.split("\n")).strip() for p in paragraphs]
        title, body = SIDE_NOTE.sub("", title).strip(), " ".join(p for p in paragraphs if p)
        if not found or EMPTY.search(title) or len(title.split()) < 2 or len(body.split()) < 25:
            continue
        if paragraphs[0] in seen or title.lower() in queries:
            continue
        seen.add(paragraphs[0])
        queries.add(title.lower())
        yield title, body


def meanings(folder):
    """Yields (words, definition) of WordNet's nouns, verbs and adjectives; see wndb(5)."""
    seen = set()
    for part in ("noun", "verb", "adj"):
        with open(os.path.join(folder, "data." + part), encoding="utf-8") as file:
            for line in file:
                if line.startswith("  "):  # the license
                    continue
                fields, _, gloss = line.partition(" | ")
                fields = fields.split()
                words = [fields[4 + 2 * i] for i in range(int(fields[3], 16))]
                words = [re.sub(r"\([a-z]+\)$", "", word).replace("_", " ") for word in words]
                definition = gloss.partition('; "')[0].strip().rstrip(";")
                query = ", ".join(words[:3])
                if len(definition.split()) >= 6 and query not in seen:
                    seen.add(query)
                    yield query, definition


def write(out, name, rows):
    rows = list(rows)
    path = os.path.join(out, name)
    data.write_lines(path + ".passages.jsonl.gz", ({"_id": str(i), "text": passage} for i, (_, passage) in enumerate(rows)))
    data.write_lines(path + ".pairs.jsonl.gz", ({"query": query, "positive": i, "negatives": []} for i, (query, _) in enumerate(rows)))
    print(f"{name}: {len(rows)} pairs")


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, help="folder for the two sources; what is fetched goes to its folder fetched/")
    args = parser.parse_args(argv)
    work = os.path.join(args.out, "fetched")
    os.makedirs(work, exist_ok=True)
    text, wordnet = fetch(work)
    write(args.out, "debian-descriptions", descriptions(text))
    write(args.out, "wordnet", meanings(wordnet))


if __name__ == "__main__":
    main()
