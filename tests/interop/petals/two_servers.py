"""A stock client generates, waits until a file appears (one of the servers left meanwhile), and generates on.

usage: two_servers.py MODEL_DIR INITIAL_PEER PREFIX FLAG_FILE READY_FILE
Prints {"before": equal to local, "after": equal to local, "seconds": until the first success after the flag}.
"""
import hm_compat  # noqa: must come before petals
from leave import leave
import gc, json, os, sys, time, warnings
warnings.filterwarnings("ignore")
import torch
from transformers import LlamaForCausalLM
from petals import AutoDistributedModelForCausalLM

model_dir, peer, prefix, flag, ready = sys.argv[1:]
ids = torch.tensor([[1, 17, 42, 99, 3]])
local = LlamaForCausalLM.from_pretrained(model_dir).float().eval()
model = AutoDistributedModelForCausalLM.from_pretrained(
    model_dir, initial_peers=[peer], dht_prefix=prefix, torch_dtype=torch.float32, max_retries=2, update_period=3)
gc.disable()


def equal():
    with torch.inference_mode():
        out = model.generate(ids, max_new_tokens=12, do_sample=False).tolist()
        gc.collect()
        return out == local.generate(ids, max_new_tokens=12, do_sample=False).tolist()


before = equal()
open(ready, "w").close()
while not os.path.exists(flag):
    time.sleep(0.1)
start, after = time.time(), None
while after is None and time.time() - start < 90:
    try:
        after = equal()
    except Exception:
        time.sleep(1)
print(json.dumps({"before": before, "after": after, "seconds": round(time.time() - start, 1)}), flush=True)
leave(0)
