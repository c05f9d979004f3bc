import { assert, assertEquals, assertRejects } from "@std/assert";
import { NodeError } from "../../src/base/errors.ts";
import { EngineConnection } from "../../src/compute/engine_connection.ts";
import { encodeFrame } from "../../src/compute/engine_wire.ts";
import { fakeWorld } from "../support/world.ts";

const signal = new AbortController().signal;
const LOGITS = { act: "logits", head: 1, rows: 1 } as const;
const LOAD = { act: "loadHead", path: "/m", options: { dtype: "auto", threads: 1 } } as const;

/** A process that takes everything in and says nothing, or what `script` says. */
function openSilent(script = "exec cat >/dev/null") {
  const world = fakeWorld();
  const connection = EngineConnection.open(world, { command: ["sh", "-c", script] });
  return { clock: world.clock, connection };
}

const lossOf = (call: Promise<unknown>) => assertRejects(() => call, NodeError);

Deno.test("EngineConnection kills who is silent for a minute, also when one caller has left", async () => {
  const { clock, connection } = openSilent();
  const leaving = new AbortController();
  const left = assertRejects(() => connection.call(LOGITS, [], leaving.signal), Error, "gone");
  leaving.abort(new Error("gone"));
  await left;
  const lost = lossOf(connection.call({ act: "free", handle: 1 }, [], signal));
  await clock.advance(60_000);
  const { code, message } = await lost;
  assertEquals(code, "unreachable");
  assertEquals(message, "Cannot compute: the engine process ended, it gave no sign of life for 60 s");
  assertEquals(clock.sleepers, 0);
});

Deno.test("EngineConnection lets who gives signs of life compute as long as it takes", async () => {
  // the first call is never answered; what else it is asked, it says again, which serves as a reply
  const [first] = encodeFrame({ id: 1, ...LOGITS });
  const { clock, connection } = openSilent(
    `dd bs=1 count=${first!.length} of=/dev/null 2>/dev/null; exec cat`,
  );
  const lost = lossOf(connection.call(LOGITS, [], signal));
  for (let turn = 0; turn < 4; turn++) {
    await clock.advance(56_000);
    await connection.free(9);
  }
  await connection[Symbol.asyncDispose]();
  assert((await lost).message.endsWith("it left with code 0"));
});

Deno.test("EngineConnection lets a load take as long as it takes, also while others wait", async () => {
  const { clock, connection } = openSilent();
  const lost = [LOAD, LOGITS].map((request) => lossOf(connection.call(request, [], signal)));
  await clock.advance(600_000);
  connection.kill();
  for (const { message } of await Promise.all(lost)) assert(message.endsWith("SIGKILL"), message);
  assertEquals(clock.sleepers, 0);
});

Deno.test("EngineConnection watches nobody when told so", async () => {
  const { clock, connection } = openSilent();
  connection.endWatch();
  const lost = lossOf(connection.call(LOGITS, [], signal));
  assertEquals(clock.sleepers, 0);
  await clock.advance(600_000);
  await connection[Symbol.asyncDispose]();
  assert((await lost).message.endsWith("it left with code 0"));
});

Deno.test("EngineConnection waits no longer for a process that even a kill does not end", async () => {
  const { clock, connection } = openSilent();
  const { kill } = Deno.ChildProcess.prototype;
  // as one that a driver holds
  Deno.ChildProcess.prototype.kill = () => {};
  try {
    const lost = lossOf(connection.call(LOGITS, [], signal));
    await clock.advance(60_000);
    await clock.advance(10_000);
    await clock.advance(500);
    const { message } = await lost;
    assert(message.endsWith("it gave no sign of life for 60 s, and it cannot be killed"), message);
    assertEquals(clock.sleepers, 0);
  } finally {
    Deno.ChildProcess.prototype.kill = kill;
  }
});
