"""A real hivemind DHT node, told what to do by JSON lines on stdin; answers JSON lines on stdout.

Commands, by "do": create {boots, client, strict}, store {key, value, subkey, life}, get {key}, ping {peer, validate},
call_store {peer, keys, subkeys, values, lives, in_cache}, call_find {peer, keys}, table, held.
Tuples travel as {"tuple": [...]}, bytes as {"hex": "..."}.
"""
import asyncio
import json
import sys

from hivemind.dht.node import DHTNode
from hivemind.dht.routing import DHTID
from hivemind.dht.storage import DictionaryDHTValue
from hivemind.p2p import PeerID
from hivemind.proto import dht_pb2
from hivemind.utils.timed_storage import ValueWithExpiration, get_dht_time


def pythonic(value):
    if isinstance(value, dict):
        if set(value) == {"tuple"}:
            return tuple(pythonic(item) for item in value["tuple"])
        if set(value) == {"hex"}:
            return bytes.fromhex(value["hex"])
        return {key: pythonic(item) for key, item in value.items()}
    return [pythonic(item) for item in value] if isinstance(value, list) else value


def plain(value):
    if isinstance(value, tuple) and not isinstance(value, ValueWithExpiration):
        return {"tuple": [plain(item) for item in value]}
    if isinstance(value, ValueWithExpiration):
        return {"value": plain(value.value), "expiration": value.expiration_time}
    if isinstance(value, DictionaryDHTValue):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    return [plain(item) for item in value] if isinstance(value, list) else value


class Peer:
    node = None

    async def create(self, boots=(), client=False, strict=True):
        self.node = await DHTNode.create(
            initial_peers=list(boots), host_maddrs=["/ip4/127.0.0.1/tcp/0"], client_mode=client, strict=strict
        )
        maddrs = await self.node.get_visible_maddrs()
        return {"peer": str(self.node.peer_id), "maddrs": [str(m) for m in maddrs], "id": self.node.node_id.to_bytes().hex()}

    async def store(self, key, value, life, subkey=None):
        return await self.node.store(pythonic(key), pythonic(value), get_dht_time() + life, subkey=pythonic(subkey))

    async def get(self, key):
        return plain(await self.node.get(pythonic(key), latest=True))

    async def ping(self, peer, validate=False):
        answer = await self.node.protocol.call_ping(PeerID.from_base58(peer), validate=validate)
        return None if answer is None else answer.to_bytes().hex()

    async def call_store(self, peer, keys, subkeys, values, lives, in_cache):
        now = get_dht_time()
        request = dht_pb2.StoreRequest(
            keys=[bytes.fromhex(key) for key in keys], subkeys=[bytes.fromhex(subkey) for subkey in subkeys],
            values=[bytes.fromhex(value) for value in values], expiration_time=[now + life for life in lives],
            in_cache=in_cache, peer=self.node.protocol.node_info,
        )
        response = await self.node.protocol.get_stub(PeerID.from_base58(peer)).rpc_store(request, timeout=10)
        return list(response.store_ok)

    async def call_find(self, peer, keys):
        answer = await self.node.protocol.call_find(PeerID.from_base58(peer), [DHTID.generate(key) for key in keys])
        return None if answer is None else [
            {"value": plain(value), "nearest": {node.to_bytes().hex(): str(peer) for node, peer in near.items()}}
            for value, near in answer.values()
        ]

    async def held(self):
        return len(self.node.protocol.storage)

    async def table(self):
        return [str(peer) for peer in self.node.protocol.routing_table.peer_id_to_uid]


async def main():
    peer = Peer()
    while line := await asyncio.to_thread(sys.stdin.readline):
        command = json.loads(line)
        try:
            answer = {"ok": await getattr(peer, command.pop("do"))(**command)}
        except Exception as error:
            answer = {"error": repr(error)}
        print(json.dumps(answer), flush=True)
    if peer.node is not None:
        await peer.node.shutdown()


asyncio.run(main())
