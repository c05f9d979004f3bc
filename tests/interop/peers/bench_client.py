"""Tokens per second of one stock client through several servers of one swarm, runs interleaved. Each server has its own prefix.
usage: bench_client.py MODEL_DIR INITIAL_PEER N ROUNDS PREFIX=PROCESS_GROUP…   
Prints per prefix: median tokens/s, median ms of a token, CPU seconds of the server's processes per 100 tokens, RSS and PSS of them in MB, output equal to the first one's."""
import hm_compat  # noqa: must come before petals
from leave import leave
import gc, glob, json, os, statistics, sys, time, warnings
warnings.filterwarnings("ignore")
import torch
from petals import AutoDistributedModelForCausalLM
model_dir, peer, n, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]); servers = dict(a.rsplit("=", 1) for a in sys.argv[5:])
torch.set_num_threads(1); ids = torch.tensor([[504, 3575, 282, 4649, 314, 7042]]); tick = os.sysconf("SC_CLK_TCK")
def members(group):
    out = []
    for f in glob.glob("/proc/[0-9]*/stat"):
        try: s = open(f).read().rsplit(")", 1)[1].split()
        except OSError: continue
        if s[2] == group: out.append((f.split("/")[2], (int(s[11]) + int(s[12])) / tick))
    return out
cpu = lambda group: sum(c for _, c in members(group)) if group != "0" else 0
def memory(group):
    rss = pss = count = 0
    for pid, _ in members(group):
        try: lines = open(f"/proc/{pid}/smaps_rollup").read().splitlines()
        except OSError: continue
        count += 1
        for l in lines:
            if l.startswith("Rss:"): rss += int(l.split()[1])
            if l.startswith("Pss:"): pss += int(l.split()[1])
    return {"processes": count, "rss_mb": rss // 1024, "pss_mb": pss // 1024}
gc.disable()  # a dead session collected on the event loop thread waits for that loop for ever (stock client); so it is collected here, by hand
models = {p: AutoDistributedModelForCausalLM.from_pretrained(model_dir, initial_peers=[peer], dht_prefix=p, torch_dtype=torch.float32, max_retries=3) for p in servers}
r = {p: {"tok_s": [], "cpu": [], "client": [], "out": None} for p in servers}
with torch.inference_mode():
    for m in models.values(): m.generate(ids, max_new_tokens=2, do_sample=False); gc.collect()
    for k in range(rounds):
        for p, g in (list(servers.items()) if k % 2 else list(servers.items())[::-1]):
            c, own, t = cpu(g), time.process_time(), time.perf_counter(); out = models[p].generate(ids, min_new_tokens=n, max_new_tokens=n, do_sample=False); t = time.perf_counter() - t; gc.collect()
            r[p]["tok_s"].append(n / t); r[p]["cpu"].append((cpu(g) - c) * 100 / n); r[p]["client"].append((time.process_time() - own) * 100 / n); r[p]["out"] = out.tolist()
first = next(iter(r.values()))["out"]; med = statistics.median
for p, g in servers.items():
    x = r[p]; print(json.dumps({"prefix": p, "tok_s": round(med(x["tok_s"]), 2), "min_max": [round(min(x["tok_s"]), 2), round(max(x["tok_s"]), 2)], "ms_a_token": round(1000 / med(x["tok_s"]), 1),
        "server_cpu_s_per_100": round(med(x["cpu"]), 2), "client_cpu_s_per_100": round(med(x["client"]), 2), "equal_to_first": x["out"] == first, **memory(g)}), flush=True)
leave(0)
