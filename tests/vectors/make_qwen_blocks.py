#!/usr/bin/env python3
"""Golden hidden states of tiny random qwens: tests/vectors/qwen_blocks.json.

As make_blocks.py does for llamas, with whose generator and order the weights are drawn; a qwen's own follow behind o_proj
of each block: biases of q, k and v (Qwen 2), norms of q and k (Qwen 3). A script of its own since Qwen 3 wants a newer
transformers: made with 4.57.6, torch 2.7.1, numpy 2.4.6, Python 3.11.

Usage: make_qwen_blocks.py OUT.json    (torch, numpy, transformers 4.51 or later)
"""
import json
import math
import sys

import numpy as np
import torch
from make_blocks import INPUT_SEED, TINY, TOKENS, encode, random_numbers
from transformers import Qwen2Config, Qwen2ForCausalLM, Qwen3Config, Qwen3ForCausalLM

KINDS = {"qwen2": (Qwen2Config, Qwen2ForCausalLM), "qwen3": (Qwen3Config, Qwen3ForCausalLM)}
CASES = [
    {"name": "Qwen 2, biases", "options": {"family": "qwen2", "blocks": 2, "ropeBase": 1000000, "seed": 21}, "scaling": None},
    {"name": "Qwen 2, tied", "options": {"family": "qwen2", "blocks": 2, "heads": 2, "kvHeads": 1, "tied": True, "seed": 22}, "scaling": None},
    {"name": "Qwen 3, wide heads", "options": {"family": "qwen3", "blocks": 3, "headDim": 32, "ropeBase": 1000000, "tied": True, "seed": 23}, "scaling": None},
    {"name": "Qwen 3, narrow heads", "options": {"family": "qwen3", "blocks": 2, "headDim": 8, "seed": 24}, "scaling": None},
]


def sizes_of(options):
    o = {**TINY, "tied": False, **options}
    return {**o, "headDim": o.get("headDim", o["hidden"] // o["heads"])}


def weights_of(o):
    numbers = random_numbers(o["seed"])
    wide, narrow, head_dim = o["heads"] * o["headDim"], o["kvHeads"] * o["headDim"], o["headDim"]

    def drawn(count, value):
        return torch.from_numpy(np.array([value(next(numbers)) for _ in range(count)], dtype=np.float64).astype(np.float32))

    def matrix(rows, columns, spread=None):
        spread = math.sqrt(3 / columns) if spread is None else spread
        return drawn(rows * columns, lambda number: spread * number).reshape(rows, columns)

    def norm(size=o["hidden"]):
        return drawn(size, lambda number: 1 + 0.2 * number)

    def bias(size):
        return drawn(size, lambda number: number)

    weights = {"model.embed_tokens.weight": matrix(o["vocab"], o["hidden"], 1.7)}
    for block in range(o["blocks"]):
        at = f"model.layers.{block}."
        weights[at + "input_layernorm.weight"] = norm()
        weights[at + "self_attn.q_proj.weight"] = matrix(wide, o["hidden"])
        weights[at + "self_attn.k_proj.weight"] = matrix(narrow, o["hidden"])
        weights[at + "self_attn.v_proj.weight"] = matrix(narrow, o["hidden"])
        weights[at + "self_attn.o_proj.weight"] = matrix(o["hidden"], wide)
        if o["family"] == "qwen2":
            weights[at + "self_attn.q_proj.bias"] = bias(wide)
            weights[at + "self_attn.k_proj.bias"] = bias(narrow)
            weights[at + "self_attn.v_proj.bias"] = bias(narrow)
        else:
            weights[at + "self_attn.q_norm.weight"] = norm(head_dim)
            weights[at + "self_attn.k_norm.weight"] = norm(head_dim)
        weights[at + "post_attention_layernorm.weight"] = norm()
        weights[at + "mlp.gate_proj.weight"] = matrix(o["ffn"], o["hidden"])
        weights[at + "mlp.up_proj.weight"] = matrix(o["ffn"], o["hidden"])
        weights[at + "mlp.down_proj.weight"] = matrix(o["hidden"], o["ffn"])
    weights["model.norm.weight"] = norm()
    if not o["tied"]:
        weights["lm_head.weight"] = matrix(o["vocab"], o["hidden"])
    return weights


def model_of(o):
    config_class, model_class = KINDS[o["family"]]
    config = config_class(
        hidden_size=o["hidden"], intermediate_size=o["ffn"], num_hidden_layers=o["blocks"], num_attention_heads=o["heads"],
        num_key_value_heads=o["kvHeads"], head_dim=o["headDim"], max_position_embeddings=o["context"], rms_norm_eps=1e-5,
        rope_theta=float(o["ropeBase"]), vocab_size=o["vocab"], tie_word_embeddings=o["tied"], use_sliding_window=False,
        attn_implementation="eager",
    )
    model = model_class(config).to(torch.float32).eval()
    missing, unexpected = model.load_state_dict(weights_of(o), strict=False)
    assert not unexpected and missing == (["lm_head.weight"] if o["tied"] else []), (missing, unexpected)
    model.tie_weights()
    return model


def run(case):
    o = sizes_of(case["options"])
    model = model_of(o)
    outputs = []
    for layer in model.model.layers:
        layer.register_forward_hook(lambda _module, _inputs, output: outputs.append(output if torch.is_tensor(output) else output[0]))
    numbers = random_numbers(INPUT_SEED)
    values = np.array([next(numbers) for _ in range(TOKENS * o["hidden"])], dtype=np.float64).astype(np.float32)
    with torch.no_grad():
        logits = model(inputs_embeds=torch.from_numpy(values).reshape(1, TOKENS, -1), use_cache=False).logits
    return {
        **case,
        "tokens": TOKENS,
        "input_seed": INPUT_SEED,
        "blocks_f32": [encode(output[0] if output.dim() == 3 else output) for output in outputs],
        "last_scores_f32": encode(logits[0, -1]),
    }


def main():
    torch.set_num_threads(1)
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        json.dump([run(case) for case in CASES], file, indent=1)


if __name__ == "__main__":
    main()
