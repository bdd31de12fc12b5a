"""The arithmetic of two Python libraries, restated plainly in numpy: signatures of 100 components over shingles of five
characters, and 20 band keys.

Reads a JSON array of texts in the first line, then in each line the name of one; answers with the CPU seconds that it takes.
"""
import hashlib
import json
import struct
import sys
import time

import numpy as np

COMPONENTS = 100
ROWS = 5
PRIME = np.uint64((1 << 61) - 1)
MOST = np.uint64((1 << 32) - 1)

random = np.random.RandomState(1)
a = random.randint(1, (1 << 61) - 1, COMPONENTS, dtype=np.uint64)
b = random.randint(0, (1 << 61) - 1, COMPONENTS, dtype=np.uint64)


def shingles(text):
    return [text[i : i + 5] for i in range(len(text) - 4)]


def keys(signature):
    return [signature[i : i + ROWS].tobytes() for i in range(0, COMPONENTS, ROWS)]


def datatrove(text):
    """A 64-bit hash of each shingle (Python's own, which is faster than a call of any library), all permutations at once."""
    hashes = np.fromiter((hash(shingle) for shingle in shingles(text)), dtype=np.int64).view(np.uint64)
    return keys(((hashes[:, None] * a + b) % PRIME).min(axis=0))


def datasketch(text):
    """Four bytes of SHA-1 of each shingle, all permutations at once."""
    hashes = np.array(
        [struct.unpack("<I", hashlib.sha1(shingle.encode()).digest()[:4])[0] for shingle in shingles(text)],
        dtype=np.uint64,
    )
    return keys(np.bitwise_and((hashes[:, None] * a + b) % PRIME, MOST).min(axis=0))


texts = json.loads(sys.stdin.readline())
print(json.dumps(np.__version__), flush=True)
for line in sys.stdin:
    run = {"datatrove": datatrove, "datasketch": datasketch}[line.strip()]
    start = time.process_time()
    for text in texts:
        run(text)
    print(json.dumps(time.process_time() - start), flush=True)
