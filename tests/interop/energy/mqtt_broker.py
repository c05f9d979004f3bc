"""amqtt as the broker of a GX device: mqtt_broker.py PORTAL_ID VALUES. VALUES is JSON {path: watts}.

Answers each R/<portal id>/keepalive with all values and full_publish_completed. Prints the port; ends with stdin."""
import asyncio
import json
import logging
import socket
import sys

from amqtt.broker import Broker
from amqtt.client import MQTTClient

logging.disable(logging.CRITICAL)


async def main() -> None:
    portal, values = sys.argv[1], json.loads(sys.argv[2])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    broker = Broker({
        "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
        "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
    })
    await broker.start()
    device = MQTTClient()
    await device.connect(f"mqtt://127.0.0.1:{port}/")
    await device.subscribe([("R/#", 0)])
    print(json.dumps({"port": port}), flush=True)

    async def answer() -> None:
        while True:
            message = await device.deliver_message()
            if message.topic != f"R/{portal}/keepalive":
                continue
            for path, value in values.items():
                await device.publish(f"N/{portal}/system/0/{path}", json.dumps({"value": value}).encode(), qos=0)
            await device.publish(f"N/{portal}/full_publish_completed", b'{"value": 1}', qos=0)

    answering = asyncio.create_task(answer())
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    answering.cancel()
    await device.disconnect()
    await broker.shutdown()


asyncio.run(main())
