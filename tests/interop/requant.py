#!/usr/bin/env python3
"""Store the block matrices of a GGUF file in another format: embeddings, norms, metadata and tokenizer stay as they are.

What is quantised already is expanded first. F32 is then exactly what the file stands for; a file of 4 bits must not become another
file of 4 bits (Q4_1 to Q4_0 loses most of the model), so that is refused without --lossy.

Usage: requant.py IN.gguf OUT.gguf F32|F16|BF16|Q8_0|Q5_0|Q5_1|Q4_0|Q4_1 [--blocks A:B] [--lossy]    (numpy, gguf)
    --blocks A:B   keep only blocks A to B-1, counted from 0 in the new file
Exit: 0 ok, 2 usage, 4 the input cannot be used.
"""
import argparse
import re
import sys

import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf import GGUFReader, GGUFValueType, GGUFWriter
from gguf.quants import dequantize, quantize

FORMATS = ("F32", "F16", "BF16", "Q8_0", "Q5_0", "Q5_1", "Q4_0", "Q4_1")
LARGE = {"F32", "F16", "BF16"}
BLOCK_TENSOR = re.compile(r"blk\.(\d+)\.(.+)")


def fail(code, message):
    print(f"requant.py: {message}", file=sys.stderr)
    raise SystemExit(code)


def arguments():
    parser = argparse.ArgumentParser(prog="requant.py", description=__doc__.splitlines()[0])
    parser.add_argument("source", metavar="IN.gguf")
    parser.add_argument("out", metavar="OUT.gguf")
    parser.add_argument("format", choices=FORMATS)
    parser.add_argument("--blocks", metavar="A:B", help="keep only these blocks")
    parser.add_argument("--lossy", action="store_true", help="allow what loses most of the model")
    return parser.parse_args()


def kept_blocks(text, total):
    if text is None:
        return range(total)
    start, end = (int(part) for part in text.split(":"))
    if not 0 <= start < end <= total:
        fail(2, f"--blocks {text}: the file has {total}")
    return range(start, end)


def copy_metadata(reader, writer, blocks):
    for field in reader.fields.values():
        if field.name.startswith("GGUF.") or field.name == "general.architecture":
            continue
        if field.name.endswith(".block_count"):
            writer.add_uint32(field.name, len(blocks))
        elif field.types[0] == GGUFValueType.ARRAY:
            writer.add_key_value(field.name, field.contents(), GGUFValueType.ARRAY, sub_type=field.types[-1])
        else:
            writer.add_key_value(field.name, field.contents(), field.types[0])


def copy_tensors(reader, writer, blocks, wanted, lossy):
    for tensor in reader.tensors:
        block = BLOCK_TENSOR.fullmatch(tensor.name)
        if block and int(block[1]) not in blocks:
            continue
        name = f"blk.{int(block[1]) - blocks.start}.{block[2]}" if block else tensor.name
        if not block or len(tensor.shape) < 2 or tensor.tensor_type == wanted:
            writer.add_tensor(name, tensor.data, raw_dtype=tensor.tensor_type)
            continue
        small = tensor.tensor_type.name not in LARGE | {"Q8_0", "Q6_K"}
        if small and wanted.name not in LARGE | {"Q8_0"} and not lossy:
            fail(4, f"'{tensor.name}' is {tensor.tensor_type.name} already; {wanted.name} from it would lose most of the model (--lossy does it)")
        values = dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        writer.add_tensor(name, values if wanted == Type.F32 else quantize(values, wanted), raw_dtype=wanted)


def main():
    args = arguments()
    try:
        reader = GGUFReader(args.source)
    except Exception as error:  # the reader raises many kinds on a cut or damaged file
        fail(4, f"cannot read '{args.source}': {error}")
    architecture = reader.fields["general.architecture"].contents()
    blocks = kept_blocks(args.blocks, int(reader.fields[f"{architecture}.block_count"].contents()))
    writer = GGUFWriter(args.out, architecture)
    copy_metadata(reader, writer, blocks)
    copy_tensors(reader, writer, blocks, Type[args.format], args.lossy)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    print(f"{args.out}: {len(blocks)} blocks, {args.format}")


if __name__ == "__main__":
    main()
