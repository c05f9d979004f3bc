"""A hivemind DHT node that joins through `address`, looks up who serves the blocks, and calls rpc_info and rpc_forward of it.

usage: forward_caller.py REQUEST.json, with {"address", "uids", "shape", "values"}; prints one JSON line
{"servers": {uid: [peer]}, "info": [key], "shape", "dtype", "values", "refused"}: "refused" is what a block of another model is
answered with.
"""
import asyncio
import json
import sys

import torch
from hivemind.compression import deserialize_torch_tensor, serialize_torch_tensor
from hivemind.dht.node import DHTNode
from hivemind.p2p import P2PHandlerError, PeerID
from hivemind.proto import runtime_pb2
from hivemind.utils import MSGPackSerializer

SECONDS = 120  # the other side may be an emulator


async def main(request):
    node = await DHTNode.create(
        initial_peers=[request["address"]], host_maddrs=["/ip4/127.0.0.1/tcp/0"], client_mode=True,
        wait_timeout=SECONDS, bootstrap_timeout=SECONDS,
    )
    p2p = node.protocol.p2p
    found = await node.get_many(request["uids"])
    servers = {uid: [str(peer) for peer in value.value] for uid, value in found.items() if value is not None}
    peer = PeerID.from_base58(servers[request["uids"][0]][0])

    async def call(method, message, answer):
        return await asyncio.wait_for(
            p2p.call_protobuf_handler(peer, f"TransformerConnectionHandler.{method}", message, answer), SECONDS
        )

    def forward(uid):
        hidden = torch.tensor(request["values"], dtype=torch.float32).reshape(request["shape"])
        tensors = [serialize_torch_tensor(hidden), serialize_torch_tensor(torch.empty(0))]
        return call("rpc_forward", runtime_pb2.ExpertRequest(uid=uid, tensors=tensors), runtime_pb2.ExpertResponse)

    uid = " ".join(request["uids"])
    info = await call("rpc_info", runtime_pb2.ExpertUID(uid=request["uids"][0]), runtime_pb2.ExpertInfo)
    reply = await forward(uid)
    (output,) = (deserialize_torch_tensor(tensor) for tensor in reply.tensors)
    try:
        refused = str(await forward("other.0"))
    except P2PHandlerError as error:
        refused = str(error)
    print(json.dumps({
        "servers": servers, "info": sorted(MSGPackSerializer.loads(info.serialized_info)), "shape": list(output.shape),
        "dtype": str(output.dtype), "values": output.flatten().tolist(), "refused": refused,
    }), flush=True)
    await node.shutdown()


with open(sys.argv[1]) as file:
    asyncio.run(main(json.load(file)))
