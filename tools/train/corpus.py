"""Builds the training mix: english.bin, code.bin, languages.bin and their held-back parts, plus sources.json.

  python3 corpus.py --books DIR --packages DIR --out DIR

--books     public-domain books as *.txt; two of them (HELD_BACK_BOOKS) are never trained on
--packages  a folder of unpacked Debian packages (see README.md): manual pages and reference books in other languages
Code comes from the Python and Perl libraries of the machine. One file in 40 of code and languages is held back.
"""
import argparse
import gzip
import hashlib
import html
import json
import os
import re

HELD_BACK_BOOKS = {"pride-and-prejudice.txt", "critical-and-historical-essays.txt"}
CODE_ROOTS = ["/usr/lib/python3.11", "/usr/share/perl", "/usr/include"]
CODE_TYPES = (".py", ".pm", ".pl", ".h", ".c")
LIMIT = {"code": 24 << 20, "languages": 16 << 20}


def files(root, keep):
    for folder, folders, names in os.walk(root):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(folder, name)
            if keep(path) and not os.path.islink(path):
                yield path


def plain(path):
    """Readable text of a manual page or an HTML book; None where it is not UTF-8."""
    data = gzip.open(path).read() if path.endswith(".gz") else open(path, "rb").read()
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    if ".html" in path:
        text = re.sub(r"(?s)<(script|style).*?</\1>", " ", text)
        text = html.unescape(re.sub(r"<[^>]+>", " ", text))
    elif "/man/" in path:
        text = re.sub(r"(?m)^\.\\\".*\n", "", text)
        text = re.sub(r"(?m)^\.[A-Za-z]{1,3} ?", "", text)
        text = re.sub(r"\\f[A-Z]|\\&|\\\(..", "", text).replace("\\-", "-")
    return re.sub(r"[ \t]{2,}", " ", re.sub(r"\n\s*\n+", "\n\n", text)).encode()


def held_back(path):
    return hashlib.sha256(os.path.basename(path).encode()).digest()[0] < 256 // 40


def write(out, kind, items, sources):
    train, held = open(f"{out}/{kind}.bin", "wb"), open(f"{out}/{kind}.held.bin", "wb")
    total = [0, 0]
    for path, data, back in items:
        if not data or (not back and total[0] > LIMIT.get(kind, 1 << 40)):
            continue
        (held if back else train).write(data + b"\n")
        total[back] += len(data) + 1
    sources[kind] = {"train_bytes": total[0], "held_back_bytes": total[1]}


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--books", required=True)
    a.add_argument("--packages", required=True)
    a.add_argument("--out", required=True)
    a = a.parse_args()
    os.makedirs(a.out, exist_ok=True)
    sources = {}
    books = ((p, open(p, "rb").read(), os.path.basename(p) in HELD_BACK_BOOKS)
             for p in files(a.books, lambda p: p.endswith(".txt")))
    write(a.out, "english", books, sources)
    code = sorted((p for root in CODE_ROOTS for p in files(root, lambda p: p.endswith(CODE_TYPES))),
                  key=lambda p: hashlib.sha256(p.encode()).digest())
    write(a.out, "code", ((p, plain(p), held_back(p)) for p in code), sources)
    wanted = re.compile(r"/man/[a-z]{2}(_[A-Z]+)?/|debian-reference.*\.html(\.gz)?$|debian-reference.*\.txt\.gz$")
    other = sorted((p for p in files(a.packages, lambda p: wanted.search(p))),
                   key=lambda p: hashlib.sha256(os.path.basename(p).encode() + p.encode()).digest())
    write(a.out, "languages", ((p, plain(p), held_back(p)) for p in other), sources)
    json.dump(sources, open(f"{a.out}/sources.json", "w"), indent=1, sort_keys=True)
    print(json.dumps(sources))


main()
