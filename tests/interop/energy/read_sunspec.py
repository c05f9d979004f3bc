"""pysunspec2 reading a device: read_sunspec.py PORT UNIT. Prints one line of JSON: points with values by model."""
import json
import sys

import sunspec2.modbus.client as client

POINTS = {
    "inverter": ("W", "WH"),
    "meter": ("W",),
    "battery": ("W", "ChaSt"),
    "common": ("Mn",),
}
NAMES = {1: "common", 802: "battery"}

device = client.SunSpecModbusClientDeviceTCP(slave_id=int(sys.argv[2]), ipaddr="127.0.0.1", ipport=int(sys.argv[1]), timeout=10)
device.scan()
found = {}
for model_id, models in device.models.items():
    if not isinstance(model_id, int):
        continue
    kind = NAMES.get(model_id) or ("inverter" if 100 < model_id < 120 else "meter" if 200 < model_id < 220 else None)
    if kind is None:
        found[str(model_id)] = {"length": models[0].model_len}
        continue
    found[str(model_id)] = {"length": models[0].model_len}
    for name in POINTS[kind]:
        found[str(model_id)][name] = getattr(models[0], name).cvalue
device.close()
print(json.dumps(found), flush=True)
