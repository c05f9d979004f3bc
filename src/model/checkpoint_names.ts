/**
 * Names of tensors in Hugging Face checkpoints of the families that we compute.
 *
 * @module
 */

const IN_BLOCK: Readonly<Record<string, string>> = {
  "input_layernorm": "attn_norm",
  "self_attn.q_proj": "attn_q",
  "self_attn.k_proj": "attn_k",
  "self_attn.v_proj": "attn_v",
  "self_attn.q_norm": "attn_q_norm",
  "self_attn.k_norm": "attn_k_norm",
  "self_attn.o_proj": "attn_output",
  "post_attention_layernorm": "ffn_norm",
  "mlp.gate_proj": "ffn_gate",
  "mlp.up_proj": "ffn_up",
  "mlp.down_proj": "ffn_down",
};
const OUTSIDE: Readonly<Record<string, string>> = {
  "embed_tokens": "token_embd",
  "norm": "output_norm",
  "lm_head": "output",
};

/**
 * The GGUF name of a tensor, `undefined` for what blocks and head do not need (stored rotary frequencies and the like).
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(ggufTensorName("model.layers.3.mlp.up_proj.weight"), "blk.3.ffn_up.weight");
 * assertEquals(ggufTensorName("model.layers.3.self_attn.rotary_emb.inv_freq"), undefined);
 * ```
 */
export function ggufTensorName(name: string): string | undefined {
  const [, block, part, kind] = name.match(/^(?:model\.)?layers\.(\d+)\.([\w.]+)\.(weight|bias)$/) ?? [];
  if (part !== undefined) {
    const known = Object.hasOwn(IN_BLOCK, part) ? IN_BLOCK[part] : undefined;
    return known && `blk.${Number(block)}.${known}.${kind}`;
  }
  const [, top, topKind] = name.match(/^(?:model\.)?(\w+)\.(weight|bias)$/) ?? [];
  const known = top !== undefined && Object.hasOwn(OUTSIDE, top) ? OUTSIDE[top] : undefined;
  return known && `${known}.${topKind}`;
}
