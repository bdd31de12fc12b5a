"""Reads an output folder with nothing but Python's library and NumPy, and compares it with its manifest.

    python3 tools/readers/read_output.py OUT

It shares no code with sluice: what it can read, others can.
"""

import gzip
import hashlib
import io
import json
import os
import sqlite3
import subprocess
import sys
import tarfile

import numpy as np
from quantized import quantized_fields, safetensors


def with_fields(metadata, tensors, path):
    """Tensors with what quantized fields are decoded to, where their float32 values are not there."""
    decoded = quantized_fields(metadata, tensors, path)
    names = {"entropy": "patch_entropies"}
    missing = {
        names.get(field, field): values if field == "embeddings" else values[:, 0] for field, values in decoded.items()
    }
    return {**missing, **tensors}


def check_patches(metadata, tensors):
    patches = int(metadata["num_patches"])
    assert tensors["embeddings"].shape[0] == tensors["prominence"].shape[0] == patches
    assert tensors["patch_entropies"].shape == (patches,)
    assert int(tensors["patch_lengths"].sum()) == tensors["bytes"].shape[0] == int(metadata["total_bytes"])
    assert np.isfinite(tensors["embeddings"]).all() and np.isfinite(tensors["prominence"]).all()
    return patches


def opened(path):
    if path.endswith(".gz"):
        return gzip.open(path, "rb")
    if path.endswith(".zst"):
        return io.BytesIO(subprocess.run(["zstd", "-dc", path], check=True, capture_output=True).stdout)
    return open(path, "rb")


def webdataset_samples(path):
    """Consecutive members whose names agree up to the first dot of the base name."""
    key, sample = None, {}
    with opened(path) as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            folder, base = os.path.split(member.name)
            stem, _, extension = base.partition(".")
            name = os.path.join(folder, stem)
            if name != key and sample:
                yield key, sample
                sample = {}
            key = name
            sample[extension] = archive.extractfile(member).read()
    if sample:
        yield key, sample


def read(root, artefact):
    path, info = os.path.join(root, artefact["path"]), artefact["info"]
    if path.endswith(".signals.safetensors"):
        metadata, tensors = safetensors(open(path, "rb").read())
        return f"{with_fields(metadata, tensors, path)['entropies'].shape[0]} entropies"
    if path.endswith(".safetensors"):
        metadata, tensors = safetensors(open(path, "rb").read())
        if metadata.get("format") not in ("blt_patches_v3", "blt_patches_v3_quantized"):
            return f"{len(tensors)} tensors"
        patches = check_patches(metadata, with_fields(metadata, tensors, path))
        assert patches == info["patches"]
        return f"{patches} patches"
    if path.endswith(".db"):
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
            assert database.execute("pragma integrity_check").fetchone() == ("ok",)
            tables = [name for (name,) in database.execute("select name from sqlite_master where type = 'table'")]
            return ", ".join(
                f"{database.execute(f'select count(*) from {name}').fetchone()[0]} {name}" for name in tables
            )
    if ".tar" in os.path.basename(path):
        samples = patches = 0
        for _, sample in webdataset_samples(path):
            samples += 1
            json.loads(sample["json"])
            if "safetensors" in sample:
                metadata, tensors = safetensors(sample["safetensors"])
                patches += check_patches(metadata, with_fields(metadata, tensors, path))
        assert samples == info["samples"], (samples, info)
        return f"{samples} samples, {patches} patches"
    if path.endswith(".npz"):
        arrays = np.load(path, allow_pickle=False)
        for name in arrays.files:
            assert np.isfinite(arrays[name]).all(), (path, name)
        if info["format"] == "sluice_sphere_npz_v1":
            assert arrays["sphere_coords"].shape[0] == arrays["radii"].shape[0] == info["patches"]
        else:
            assert int(arrays["patch_lengths"].sum()) == arrays["bytes"].shape[0]
        return ", ".join(f"{name} {arrays[name].shape}" for name in arrays.files)
    if path.endswith((".jsonl", ".ndjson")):
        return f"{sum(1 for line in open(path, encoding='utf-8') if json.loads(line) is not None)} lines"
    if path.endswith(".json"):
        json.load(open(path, encoding="utf-8"))
        return "JSON"
    return "not read here"


def main(root):
    manifest = json.load(open(os.path.join(root, "manifest.json"), encoding="utf-8"))
    for artefact in manifest["artefacts"]:
        path = os.path.join(root, artefact["path"])
        digest = hashlib.sha256()
        with open(path, "rb") as stream:
            for chunk in iter(lambda: stream.read(1 << 20), b""):
                digest.update(chunk)
        assert digest.hexdigest() == artefact["sha256"], path
        print(f"{artefact['path']}: {read(root, artefact)}")
    print(f"{len(manifest['artefacts'])} artefacts are what the manifest says")


if __name__ == "__main__":
    main(sys.argv[1])
