"""pymodbus serving registers: modbus_server.py FILE UNIT. FILE is JSON {address: value}. Prints the port; ends with stdin."""
import asyncio
import json
import sys

from pymodbus.datastore import ModbusDeviceContext, ModbusServerContext, ModbusSparseDataBlock
from pymodbus.server import ModbusTcpServer


async def main() -> None:
    with open(sys.argv[1]) as file:
        registers = {int(address): value for address, value in json.load(file).items()}
    # the context counts addresses from 1
    block = ModbusSparseDataBlock({address + 1: value for address, value in registers.items()})
    context = ModbusServerContext(devices={int(sys.argv[2]): ModbusDeviceContext(hr=block)}, single=False)
    server = ModbusTcpServer(context, address=("127.0.0.1", 0))
    serving = asyncio.create_task(server.serve_forever())
    while server.transport is None:
        await asyncio.sleep(0.01)
    print(json.dumps({"port": server.transport.sockets[0].getsockname()[1]}), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await server.shutdown()
    serving.cancel()


asyncio.run(main())
