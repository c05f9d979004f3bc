"""A stock Petals client through a swarm against the local model: logits, greedy, sampling, beams, batch 2, a session by hand, deep prompts, errors.
usage: tiny_check.py MODEL_DIR INITIAL_PEER [DHT_PREFIX [OTHER_PREFIX]]   (deep prompts are compared with OTHER_PREFIX, a stock server)"""
import hm_compat  # noqa: must come before petals
from leave import leave
import json, sys, warnings
warnings.filterwarnings("ignore")
import torch
from transformers import LlamaForCausalLM
from petals import AutoDistributedModelForCausalLM
model_dir, peer = sys.argv[1:3]; prefix = sys.argv[3] if len(sys.argv) > 3 else "tiny-llama"; other = sys.argv[4] if len(sys.argv) > 4 else None
local = LlamaForCausalLM.from_pretrained(model_dir).float().eval()
load = lambda p, **k: AutoDistributedModelForCausalLM.from_pretrained(model_dir, initial_peers=[peer], dht_prefix=p, torch_dtype=torch.float32, max_retries=2, **k)
m = load(prefix); one = torch.tensor([[1, 17, 42, 99, 3]]); two = torch.tensor([[1, 17, 42, 99, 3], [1, 200, 7, 7, 31]]); bad = 0
def told(name, good, more=""):
    global bad; bad += not good; print("ok  " if good else "FAIL", name, more, flush=True)
def same(name, a, b): told(name, a.tolist() == b.tolist(), "" if a.tolist() == b.tolist() else f"{a.tolist()} {b.tolist()}")
def near(name, a, b, bar=1e-5): d = (a - b).abs().max().item(); told(name, d <= bar, f"max abs {d:.1e}")
with torch.inference_mode():
    near("logits, batch 1 (rpc_forward)", local(one).logits, m(one).logits); near("logits, batch 2", local(two).logits, m(two).logits)
    big = torch.randint(3, 255, (20, 300)); near("logits, batch 20 of 300 tokens (rpc_forward_stream, 1.5 MB)", local(big).logits, m(big).logits, 1e-4)
    for name, ids, k in [("greedy 12", one, {}), ("greedy 12, batch 2", two, {}), ("beams 2", one, dict(num_beams=2)), ("beams 4", one, dict(num_beams=4)), ("beams 3, batch 2", two, dict(num_beams=3))]:
        same(name, local.generate(ids, max_new_tokens=12, do_sample=False, **k), m.generate(ids, max_new_tokens=12, do_sample=False, **k))
    torch.manual_seed(5); a = local.generate(one, max_new_tokens=12, do_sample=True, temperature=0.9, top_k=40); torch.manual_seed(5); same("sampling with a seed", a, m.generate(one, max_new_tokens=12, do_sample=True, temperature=0.9, top_k=40))
    long = torch.randint(3, 255, (1, 400)); h = m.model.embed_tokens(long)
    with m.model.layers.inference_session(max_length=400) as s:
        empty = s.step(h[:, :0]); parts = [s.step(h[:, i:j]) for i, j in ((0, 300), (300, 301), (301, 400))]
    told("a step of 0 tokens", list(empty.shape) == [1, 0, 64]); near("steps of 300, 1 and 99 tokens in one session", local.model(long).last_hidden_state, m.model.norm(torch.cat(parts, 1)), 1e-4)
    try:
        with m.model.layers.inference_session(max_length=9000) as s: s.step(h[:, :4])
        told("max_length 9000 is refused", False)
    except Exception as e: told("max_length 9000 is refused", "Cannot allocate KV cache for 9000 tokens" in str(e), str(e)[:160])
try:
    x = torch.randn(1, 4, 64, requires_grad=True); m.model.layers(x).sum().backward(); told("rpc_backward is answered", other == prefix)
except Exception as e: told("rpc_backward is refused with words", "not supported" in str(e), repr(e)[:160])
if other:
    torch.manual_seed(3); p = load(prefix, pre_seq_len=3, tuning_mode="deep_ptune"); torch.manual_seed(3); q = load(other, pre_seq_len=3, tuning_mode="deep_ptune")
    for x in (p, q):
        torch.manual_seed(4)
        for w in x.parameters():
            if w.requires_grad: torch.nn.init.normal_(w, std=0.3)
    with torch.inference_mode():
        near("deep prompts, rpc_forward, against a stock server", q(one).logits, p(one).logits); near("… and they matter", torch.zeros(1), torch.zeros(1) if (q(one).logits - local(one).logits).abs().max() > 1e-2 else torch.ones(1))
        same("deep prompts, generation, against a stock server", q.generate(one, max_new_tokens=8, do_sample=False), p.generate(one, max_new_tokens=8, do_sample=False))
        same("deep prompts, batch 2", q.generate(two, max_new_tokens=8, do_sample=False), p.generate(two, max_new_tokens=8, do_sample=False))
print(json.dumps({"failed": bad})); leave(1 if bad else 0)
