"""Decodes quantized fields of safetensors files with nothing but Python's library and NumPy.

    python3 tools/readers/quantized.py SHARD.safetensors [FIELD OUT.npy]

It tells which fields of a file are quantized, and by what; with a field, it writes the float32 values as an array of NumPy.
Like `read_output.py` it shares no code with sluice. docs/quantization.md says how such files are made up.
"""

import hashlib
import json
import os
import sys

import numpy as np

DTYPES = {"F32": "<f4", "I32": "<i4", "U8": "u1", "F64": "<f8", "I64": "<i8", "F16": "<f2", "I8": "i1"}

# what the float32 tensor of a field is called; its parts have this name, a dot and their own
TENSORS = {
    "embeddings": "embeddings",
    "prominence": "prominence",
    "entropy": "patch_entropies",
    "entropies": "entropies",
    "norms": "norms",
}


def safetensors(data):
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        start, end = (8 + length + offset for offset in entry["data_offsets"])
        tensors[name] = np.frombuffer(data[start:end], DTYPES[entry["dtype"]]).reshape(entry["shape"])
    return metadata, tensors


def unpacked(codes, columns, bits):
    """Whole numbers of so many bits, the lowest bit first; a row ends with a whole byte."""
    stream = np.unpackbits(codes, axis=1, bitorder="little")[:, : columns * bits]
    weights = 1 << np.arange(bits, dtype=np.int64)
    return (stream.reshape(len(codes), columns, bits) * weights).sum(axis=2)


def repeated(blocks, block, columns):
    """One number for each column, out of one for each block of a row."""
    return np.repeat(blocks, block, axis=1)[:, :columns]


def int8(options, columns, parts, learned):
    codes = parts["codes"].astype(np.float32)
    if options["scale"] == "row":
        scales, zeros = parts["scales"][:, None], parts["zeros"][:, None] if "zeros" in parts else 0
    else:
        scales, zeros = learned["scales"], learned.get("zeros", np.float32(0))
    return (codes - np.asarray(zeros, np.float32)) * scales.astype(np.float32)


def int4(options, columns, parts, learned):
    block = min(options["block"], columns)
    scales = repeated(parts["scales"].astype(np.float32), block, columns)
    zeros = repeated(parts["zeros"].astype(np.float32), block, columns) if "zeros" in parts else np.float32(8)
    return (unpacked(parts["codes"], columns, 4).astype(np.float32) - zeros) * scales


def variable(options, columns, parts, learned):
    bits, span = options["bits"], options["range"]
    levels = 2 ** (bits - 1) - 1
    low, high = options["interval"] or (0, 0)
    if options["interval"] is not None:
        scale = np.float32(high / 2 - low / 2)
    elif span == "row":
        scale = parts["scales"][:, None]
    else:
        scale = np.float32(span) if isinstance(span, (int, float)) else learned["range"][0]
    values = (unpacked(parts["codes"], columns, bits) - levels).astype(np.float32) / np.float32(max(1, levels))
    return values * scale + np.float32(low / 2 + high / 2)


def ternary(options, columns, parts, learned):
    digits = parts["codes"].astype(np.int64)[:, :, None] // 3 ** np.arange(5) % 3
    codes = digits.reshape(len(digits), -1)[:, :columns] - 1
    return codes.astype(np.float32) * parts["scales"].astype(np.float32)[:, None]


def binary(options, columns, parts, learned):
    scales = parts["scales"].astype(np.float32)[:, None]
    return np.where(unpacked(parts["codes"], columns, 1) == 1, scales, -scales)


def pq(options, columns, parts, learned):
    books = learned["codebooks"]
    return np.concatenate([book[codes] for book, codes in zip(books, parts["codes"].T)], axis=1)


def pca(options, rows, learned):
    components = learned["components"].astype(np.float64)
    if options["whiten"]:
        components = components * np.sqrt(learned["variances"].astype(np.float64))[:, None]
    return (rows.astype(np.float64) @ components + learned["mean"]).astype(np.float32)


def autoencoder(options, rows, learned):
    of = {name: values.astype(np.float64) for name, values in learned.items()}
    hidden = np.maximum(0, rows @ of["decoder.hidden"].T + of["decoder.bias"])
    return (rows @ of["decoder.skip"].T + of["decoder.shift"] + hidden @ of["decoder.out"].T).astype(np.float32)


CODERS = {"int8": int8, "int4": int4, "variable": variable, "ternary": ternary, "binary": binary, "pq": pq}
TRANSFORMS = {"pca": pca, "autoencoder": autoencoder}


def outputs(scheme, options, learned, columns):
    """Columns of what a transform gives."""
    return len(learned["components"]) if scheme == "pca" else len(learned["encoder.skip"])


def quantizer_file(said, near):
    """The tensors of the quantizer that a file refers to, in the output folder above it."""
    folder = os.path.dirname(os.path.abspath(near))
    for _ in range(3):
        path = os.path.join(folder, said["quantizer"])
        if os.path.exists(path):
            data = open(path, "rb").read()
            assert hashlib.sha256(data).hexdigest() == said["sha256"], f"{path} is another quantizer"
            return safetensors(data)[1]
        folder = os.path.dirname(folder)
    raise FileNotFoundError(said["quantizer"])


def quantized_fields(metadata, tensors, near):
    """Float32 values, [rows, columns], of every field that a file says is quantized."""
    fields = {}
    for field, said in json.loads(metadata.get("quantization", "{}")).items():
        tensor = TENSORS[field]
        source = quantizer_file(said, near) if "quantizer" in said else tensors

        def learned(scheme):
            prefix = f"{tensor}.{scheme}."
            return {name[len(prefix) :]: values for name, values in source.items() if name.startswith(prefix)}

        def part(name):
            return tensors[f"{tensor}.{name}"]

        columns, transforms = said["columns"], []
        rows = None
        for link in said["chain"]:
            scheme, options = link["scheme"], link["options"]
            own = learned(scheme)
            if scheme in TRANSFORMS:
                transforms.append((scheme, options, own))
                columns = outputs(scheme, options, own, columns)
                continue
            parts = {name: part(name) for name in ("codes", "scales", "zeros") if f"{tensor}.{name}" in tensors}
            rows = CODERS[scheme](options, columns, parts, own)
        rows = part("values") if rows is None else rows
        for scheme, options, own in reversed(transforms):
            rows = TRANSFORMS[scheme](options, rows, own)
        fields[field] = np.ascontiguousarray(rows, np.float32)
        assert fields[field].shape[1:] == (said["columns"],), (field, fields[field].shape)
    return fields


def main(path, field=None, out=None):
    metadata, tensors = safetensors(open(path, "rb").read())
    fields = quantized_fields(metadata, tensors, path)
    if field is not None:
        np.save(out, fields[field])
        return
    chains = json.loads(metadata.get("quantization", "{}"))
    for name, values in fields.items():
        chain = "+".join(link["scheme"] for link in chains[name]["chain"])
        print(f"{name}: {chain}, {values.shape[0]} rows of {values.shape[1]}")


if __name__ == "__main__":
    main(*sys.argv[1:])
