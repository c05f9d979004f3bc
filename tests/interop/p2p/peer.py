"""A real p2pd under hivemind's P2P, told what to do by JSON lines on stdin; answers JSON lines on stdout.

Commands, by "do": create {boots, identity_path, dht_mode}, serve, call {peer, method, size, many}, stream {peer, method,
sizes, end}, cancel {peer, method}, connect {peer}, caller. Bodies are ExpertRequest messages whose metadata has the asked size.
"""
import asyncio
import json
import sys

from hivemind.p2p import P2P, PeerID
from hivemind.proto.runtime_pb2 import ExpertRequest, ExpertResponse


async def echo(request, context):
    Peer.caller = str(context.remote_id)
    if request.uid == "bad":
        raise KeyError("x.9")
    return ExpertResponse(metadata=request.metadata)


async def twice(requests, context):
    async for request in requests:
        if request.uid == "bad":
            raise ValueError("no good")
        yield ExpertResponse(metadata=request.metadata)
        yield ExpertResponse(metadata=request.metadata)


def body(size, bad=False):
    return ExpertRequest(uid="bad" if bad else "", metadata=bytes(range(256)) * (size // 256) + b"x" * (size % 256))


class Peer:
    p2p = None
    caller = None

    async def create(self, boots=(), identity_path=None, dht_mode="server"):
        self.p2p = await P2P.create(
            initial_peers=list(boots), host_maddrs=["/ip4/127.0.0.1/tcp/0"], identity_path=identity_path,
            dht_mode=dht_mode, idle_timeout=600,
        )
        return {"peer": str(self.p2p.peer_id), "maddrs": [str(m) for m in await self.p2p.get_visible_maddrs()]}

    async def serve(self):
        await self.p2p.add_protobuf_handler("Test.echo", echo, ExpertRequest)
        await self.p2p.add_protobuf_handler("Test.twice", twice, ExpertRequest, stream_input=True, stream_output=True)

    async def call(self, peer, method, size=0, many=1, bad=False):
        async def one():
            reply = await asyncio.wait_for(self.p2p.call_protobuf_handler(
                PeerID.from_base58(peer), method, body(size, bad), ExpertResponse), 30)
            assert reply.metadata == body(size).metadata
        results = await asyncio.gather(*(one() for _ in range(many)), return_exceptions=True)
        failed = [str(result) or repr(result) for result in results if isinstance(result, BaseException)]
        return {"answered": many - len(failed), "failed": sorted(set(failed))}

    async def stream(self, peer, method, sizes, end=True):
        async def requests():
            for size in sizes:
                yield body(max(size, 0), size < 0)
            if not end:
                await asyncio.sleep(60)
        replies = []
        try:
            async for reply in await self.p2p.iterate_protobuf_handler(
                    PeerID.from_base58(peer), method, requests(), ExpertResponse):
                assert reply.metadata == body(len(reply.metadata)).metadata
                replies.append(len(reply.metadata))
            return {"replies": replies, "error": None}
        except Exception as error:
            return {"replies": replies, "error": str(error)}

    async def cancel(self, peer, method):
        call = asyncio.create_task(self.call(peer, method))
        await asyncio.sleep(0.5)
        call.cancel()

    async def connect(self, peer):
        await asyncio.wait_for(self.p2p._client.connect(PeerID.from_base58(peer), []), 20)

    async def seen(self):
        return Peer.caller


async def main():
    peer = Peer()
    while line := await asyncio.to_thread(sys.stdin.readline):
        command = json.loads(line)
        try:
            answer = {"ok": await getattr(peer, command.pop("do"))(**command)}
        except Exception as error:
            answer = {"error": repr(error)}
        print(json.dumps(answer), flush=True)
    if peer.p2p is not None:
        await peer.p2p.shutdown()


asyncio.run(main())
