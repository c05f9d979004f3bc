#!/usr/bin/env python3
"""Golden bytes of stored weights: tests/vectors/weights.json.

Expanded blocks of every format and a file with every type of metadata from the Python package gguf, a file of the package
safetensors, and Llama 3.1's rope divisors by the formula that Meta published with it.

Usage: make_weights.py OUT.json    (numpy, gguf, safetensors)
"""
import json
import math
import os
import sys
import tempfile

import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf import GGUFValueType as Value
from gguf import GGUFWriter
from gguf.constants import GGML_QUANT_SIZES
from gguf.quants import dequantize
from safetensors.numpy import save

# Offsets of the half-precision scales inside a block: random bits there could be NaN, which no file holds
SCALES = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208]}
BLOCKS = 2


def formats():
    random = np.random.default_rng(20)
    out = {}
    for name in ("F32", "F16", "BF16", *SCALES):
        kind = Type[name]
        elements, size = GGML_QUANT_SIZES[kind]
        if name in SCALES:
            stored = random.integers(0, 256, BLOCKS * size, dtype=np.uint8)
            for block in range(BLOCKS):
                for offset in SCALES[name]:
                    at = block * size + offset
                    stored[at : at + 2] = np.frombuffer(np.float16(random.normal()).tobytes(), np.uint8)
        elif name == "F32":
            stored = np.frombuffer(random.normal(size=32).astype("<f4").tobytes(), np.uint8)
        elif name == "F16":
            stored = np.frombuffer(random.normal(size=32).astype("<f2").tobytes(), np.uint8)
        else:
            stored = np.frombuffer(random.normal(size=32).astype("<f4").tobytes(), np.uint8).reshape(-1, 4)[:, 2:].reshape(-1)
        view = stored.view(np.float16) if name == "F16" else stored.view(np.float32) if name == "F32" else stored
        values = np.asarray(dequantize(view, kind)).astype("<f4").reshape(-1)
        out[name] = {"stored_hex": stored.tobytes().hex(), "float32_hex": values.tobytes().hex()}
    return out


def gguf_file():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "all_types.gguf")
        writer = GGUFWriter(path, "llama")
        writer.add_custom_alignment(64)
        for kind, value in (
            (Value.UINT8, 200), (Value.INT8, -100), (Value.UINT16, 60000), (Value.INT16, -30000), (Value.UINT32, 4000000000),
            (Value.INT32, -2000000000), (Value.FLOAT32, 0.5), (Value.BOOL, True), (Value.STRING, "héllo"),
            (Value.UINT64, 2**50 + 1), (Value.INT64, -(2**50) - 1), (Value.FLOAT64, 0.1),
        ):
            writer.add_key_value(f"test.{kind.name.lower()}", value, kind)
        writer.add_array("test.strings", ["a", "", "ﬁ"])
        writer.add_array("test.integers", [1, -2, 3])
        writer.add_array("test.flags", [True, False])
        writer.add_tensor("one", np.arange(3, dtype=np.float32))
        writer.add_tensor("two", np.arange(6, dtype=np.float16).reshape(2, 3))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        with open(path, "rb") as file:
            return file.read().hex()


def safetensors_file():
    return save({"one": np.arange(3, dtype=np.float32), "two": np.arange(6, dtype=np.float16).reshape(2, 3)}, {"format": "pt"}).hex()


def llama3_divisors(base, dims, factor, low, high, context):
    out = []
    for i in range(0, dims, 2):
        frequency = 1.0 / base ** (i / dims)
        wave = 2 * math.pi / frequency
        if wave < context / high:
            scaled = frequency
        elif wave > context / low:
            scaled = frequency / factor
        else:
            smooth = (context / wave - low) / (high - low)
            scaled = (1 - smooth) * frequency / factor + smooth * frequency
        out.append(frequency / scaled)
    return out


def main():
    scaling = {"base": 500000.0, "dims": 64, "factor": 32.0, "low": 1.0, "high": 4.0, "context": 8192}
    vectors = {
        "formats": formats(),
        "gguf_hex": gguf_file(),
        "safetensors_hex": safetensors_file(),
        "llama3": {"scaling": scaling, "divisors": llama3_divisors(**scaling)},
    }
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        json.dump(vectors, file, indent=1)


if __name__ == "__main__":
    main()
