"""Makes a tiny random Llama with a tokenizer, as a Hugging Face folder of safetensors, and prints what it says.

    python tiny_model.py DIR PROMPT TOKENS

Prints one JSON line: {"prompt": [ids], "tokens": [new ids, greedy], "text": "..."}. Deterministic: the same folder and the
same line each time. Blocks 4, hidden 64, vocabulary 256: one token a byte, but for the three special ones.
"""
import json
import os
import sys

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

folder, prompt, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
os.makedirs(folder, exist_ok=True)

torch.manual_seed(1234)
config = LlamaConfig(
    vocab_size=256, hidden_size=64, intermediate_size=160, num_hidden_layers=4, num_attention_heads=4,
    num_key_value_heads=2, max_position_embeddings=512, rms_norm_eps=1e-5, rope_theta=10000.0,
    pad_token_id=0, bos_token_id=1, eos_token_id=2, tie_word_embeddings=False, torch_dtype="float32",
    architectures=["LlamaForCausalLM"],
)
model = LlamaForCausalLM(config).float().eval()
config.save_pretrained(folder)
weights = {name: tensor.contiguous() for name, tensor in model.state_dict().items() if "inv_freq" not in name}
save_file(weights, os.path.join(folder, "model.safetensors"), metadata={"format": "pt"})

special = ["<pad>", "<s>", "</s>"]
letters = sorted(pre_tokenizers.ByteLevel.alphabet())[: 256 - len(special)]
tokenizer = Tokenizer(models.BPE({token: i for i, token in enumerate(special + letters)}, []))
tokenizer.add_special_tokens(special)
tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
tokenizer.decoder = decoders.ByteLevel()
fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", bos_token="<s>", eos_token="</s>")
fast.save_pretrained(folder)

ids = fast(prompt, return_tensors="pt").input_ids
with torch.inference_mode():
    new = model.generate(ids, max_new_tokens=count, do_sample=False)[0, ids.shape[1]:].tolist()
text = fast.decode([token for token in new if token > 2])
print(json.dumps({"prompt": ids[0].tolist(), "tokens": new, "text": text}))
