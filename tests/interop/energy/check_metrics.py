"""Reads a page of metrics as Prometheus' own Python library does. usage: check_metrics.py FILE text|openmetrics
Prints {"families": {NAME: TYPE}, "samples": {"NAME{a=b}": VALUE}}."""
import json, sys
path, form = sys.argv[1:]
if form == "openmetrics": from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse
else: from prometheus_client.parser import text_string_to_metric_families as parse
families, samples = {}, {}
for family in parse(open(path, newline="").read()):
    families[family.name] = family.type
    for sample in family.samples:
        labels = ",".join(f"{k}={v}" for k, v in sorted(sample.labels.items()))
        key = f"{sample.name}{{{labels}}}"
        assert key not in samples, f"twice: {key}"
        samples[key] = sample.value
print(json.dumps({"families": families, "samples": samples}))
