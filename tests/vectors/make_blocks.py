#!/usr/bin/env python3
"""Golden hidden states of tiny random llamas: tests/vectors/blocks.json.

Every block's output and the scores, in float32 on the CPU, by transformers (LlamaModel) over the weights that
tests/support/tiny_model.ts makes of the same options: the same generator, the same order, so that no weights are stored.
Rope scaling of type llama3 is put in by Meta's published formula where transformers is older than it (before 4.43).

Usage: make_blocks.py OUT.json    (torch, numpy, transformers)
"""
import base64
import json
import math
import sys

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM

TINY = {"hidden": 64, "ffn": 96, "heads": 4, "kvHeads": 2, "blocks": 4, "vocab": 320, "context": 256, "ropeBase": 10000, "seed": 1}
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 32}
CASES = [
    {"name": "grouped heads", "options": {"blocks": 3, "seed": 11}, "scaling": None},
    {"name": "rope scaling of Llama 3.1", "options": {"blocks": 2, "heads": 2, "kvHeads": 2, "seed": 12}, "scaling": LLAMA3},
    {"name": "linear rope scaling, one key-value head", "options": {"blocks": 2, "kvHeads": 1, "seed": 13}, "scaling": {"type": "linear", "factor": 4.0}},
]
TOKENS = 24
INPUT_SEED = 99


def random_numbers(seed):
    """mulberry32, as randomNumbers of tiny_model.ts."""
    state = seed & 0xFFFFFFFF
    while True:
        state = (state + 0x6D2B79F5) & 0xFFFFFFFF
        t = ((state ^ (state >> 15)) * (1 | state)) & 0xFFFFFFFF
        t = ((t + ((t ^ (t >> 7)) * (61 | t) & 0xFFFFFFFF)) & 0xFFFFFFFF) ^ t
        yield ((t ^ (t >> 14)) & 0xFFFFFFFF) / 2**31 - 1


def weights_of(o):
    numbers = random_numbers(o["seed"])
    head_dim = o["hidden"] // o["heads"]

    def matrix(rows, columns, spread=None):
        spread = math.sqrt(3 / columns) if spread is None else spread
        values = [spread * next(numbers) for _ in range(rows * columns)]
        return torch.from_numpy(np.array(values, dtype=np.float64).astype(np.float32).reshape(rows, columns))

    def norm():
        return torch.from_numpy(np.array([1 + 0.2 * next(numbers) for _ in range(o["hidden"])], dtype=np.float64).astype(np.float32))

    weights = {"model.embed_tokens.weight": matrix(o["vocab"], o["hidden"], 1.7)}
    for block in range(o["blocks"]):
        at = f"model.layers.{block}."
        weights[at + "input_layernorm.weight"] = norm()
        weights[at + "self_attn.q_proj.weight"] = matrix(o["heads"] * head_dim, o["hidden"])
        weights[at + "self_attn.k_proj.weight"] = matrix(o["kvHeads"] * head_dim, o["hidden"])
        weights[at + "self_attn.v_proj.weight"] = matrix(o["kvHeads"] * head_dim, o["hidden"])
        weights[at + "self_attn.o_proj.weight"] = matrix(o["hidden"], o["heads"] * head_dim)
        weights[at + "post_attention_layernorm.weight"] = norm()
        weights[at + "mlp.gate_proj.weight"] = matrix(o["ffn"], o["hidden"])
        weights[at + "mlp.up_proj.weight"] = matrix(o["ffn"], o["hidden"])
        weights[at + "mlp.down_proj.weight"] = matrix(o["hidden"], o["ffn"])
    weights["model.norm.weight"] = norm()
    weights["lm_head.weight"] = matrix(o["vocab"], o["hidden"])
    return weights


def llama3_frequencies(frequencies, scaling):
    out = []
    old = scaling["original_max_position_embeddings"]
    low, high, factor = scaling["low_freq_factor"], scaling["high_freq_factor"], scaling["factor"]
    for frequency in frequencies.tolist():
        wave = 2 * math.pi / frequency
        if wave < old / high:
            out.append(frequency)
        elif wave > old / low:
            out.append(frequency / factor)
        else:
            smooth = (old / wave - low) / (high - low)
            out.append((1 - smooth) * frequency / factor + smooth * frequency)
    return torch.tensor(out, dtype=torch.float32)


def model_of(o, scaling):
    llama3 = scaling is not None and scaling.get("rope_type") == "llama3"
    config = LlamaConfig(
        hidden_size=o["hidden"], intermediate_size=o["ffn"], num_hidden_layers=o["blocks"], num_attention_heads=o["heads"],
        num_key_value_heads=o["kvHeads"], max_position_embeddings=o["context"], rms_norm_eps=1e-5, rope_theta=float(o["ropeBase"]),
        rope_scaling=None if llama3 else scaling, vocab_size=o["vocab"], tie_word_embeddings=False, torch_dtype="float32",
    )
    model = LlamaForCausalLM(config).eval()
    missing, unexpected = model.load_state_dict(weights_of(o), strict=False)
    assert not unexpected and all("rotary" in name for name in missing), (missing, unexpected)
    if llama3:
        for layer in model.model.layers:
            rotary = layer.self_attn.rotary_emb
            rotary.inv_freq = llama3_frequencies(rotary.inv_freq, scaling)
            rotary._set_cos_sin_cache(o["context"], torch.device("cpu"), torch.float32)
    return model


def encode(tensor):
    return base64.b64encode(tensor.detach().numpy().astype("<f4").tobytes()).decode()


def run(case):
    o = {**TINY, **case["options"]}
    model = model_of(o, case["scaling"])
    outputs = []
    for layer in model.model.layers:
        layer.register_forward_hook(lambda _module, _inputs, output: outputs.append(output[0]))
    numbers = random_numbers(INPUT_SEED)
    values = np.array([next(numbers) for _ in range(TOKENS * o["hidden"])], dtype=np.float64).astype(np.float32)
    with torch.no_grad():
        logits = model(inputs_embeds=torch.from_numpy(values).reshape(1, TOKENS, -1), use_cache=False).logits
    return {
        **case,
        "tokens": TOKENS,
        "input_seed": INPUT_SEED,
        "blocks_f32": [encode(output) for output in outputs],
        "last_scores_f32": encode(logits[0, -1]),
    }


def main():
    torch.set_num_threads(1)
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        json.dump([run(case) for case in CASES], file, indent=1)


if __name__ == "__main__":
    main()
