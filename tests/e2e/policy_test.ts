import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { openSystemWorld } from "../../src/base/system_world.ts";
import { NodeError } from "../../src/base/errors.ts";
import type { Activations } from "../../src/base/tensor.ts";
import { openClient, type SwarmClient } from "../../src/node/open_client.ts";
import type { OpenHop } from "../../src/petals/client/hop.ts";
import { openRemoteHop } from "../../src/petals/client/remote_hop.ts";
import { uuid } from "../../src/petals/client/uuid.ts";
import { decodeServerInfo } from "../../src/petals/wire/server_info.ts";
import { TINY, writeTinyGguf } from "../support/tiny_model.ts";
import { randomInput, relativeError } from "./block_caller.ts";
import { alone, ask, FLAVOUR, Program, withFolder } from "./program.ts";

/** Steps of heat of a small board, on whatever machine this runs, and rests that a test can wait for. */
const BOARD = ["slow_celsius=75", "pause_celsius=82", "resume_celsius=70", "rest_seconds=2"].flatMap((
  set,
) => [
  "--set",
  `policy.${set}`,
]);
/** Longest wait for anything. */
const PATIENCE_MS = 60_000;
const world = openSystemWorld({ level: "error", json: false });

/** A board with a battery, on mains and cool until the test says otherwise. */
async function makeBoard(folder: string) {
  const root = `${folder}/sys/class`;
  const write = async (path: string, text: string | number) => {
    await Deno.mkdir(`${root}/${path.slice(0, path.lastIndexOf("/"))}`, { recursive: true });
    await Deno.writeTextFile(`${root}/${path}`, `${text}\n`);
  };
  const board = {
    celsius: (celsius: number) => write("thermal/thermal_zone0/temp", celsius * 1000),
    async onMains(isOn: boolean) {
      await write("power_supply/AC/online", isOn ? 1 : 0);
      await write("power_supply/BAT0/status", isOn ? "Charging" : "Discharging");
    },
  };
  await write("thermal/thermal_zone0/type", "cpu-thermal");
  await write("power_supply/AC/type", "Mains");
  await write("power_supply/BAT0/type", "Battery");
  await write("power_supply/BAT0/capacity", 80);
  await board.celsius(50);
  await board.onMains(true);
  return board;
}

/** Another peer, which reads what the node says in the DHT and opens sessions there. */
class Caller {
  readonly signal = AbortSignal.timeout(4 * PATIENCE_MS);
  constructor(readonly client: SwarmClient, readonly peerId: string) {}

  /** Waits until the swarm reads that state of all blocks. */
  async reads(state: string): Promise<void> {
    const keys = Array.from({ length: TINY.blocks }, (_, block) => `tiny-hf.${block}`);
    const deadline = performance.now() + PATIENCE_MS;
    let seen: (string | undefined)[];
    do {
      const entries = await this.client.dht.get(keys, this.signal);
      seen = keys.map((key) => {
        const entry = entries.get(key);
        const record = entry?.kind === "dictionary" ? entry.subkeys.get(this.peerId) : undefined;
        return record && decodeServerInfo(record.value).state;
      });
      if (seen.every((each) => each === state)) return;
      await new Promise((resolve) => setTimeout(resolve, 100));
    } while (performance.now() < deadline);
    throw new Error(`the swarm reads ${seen}, wanted ${state}`);
  }

  open(maxLength: number): Promise<OpenHop> {
    const span = { peerId: this.peerId, prefix: "tiny-hf", blocks: { start: 0, end: TINY.blocks } };
    return openRemoteHop(world, this.client.rpc, { span, size: { batch: 1, maxLength } }, this.signal);
  }

  async step(hop: OpenHop, input: Activations, from: number, to: number): Promise<Float32Array> {
    const part = {
      ...input,
      tokens: to - from,
      data: input.data.slice(from * TINY.hidden, to * TINY.hidden),
    };
    return (await hop.step(part, { stepId: uuid(world), next: [] }, this.signal)).data;
  }
}

Deno.test({
  name:
    `${FLAVOUR}: a node that gets too hot, or is unplugged, says OFFLINE, finishes what is open, and comes back`,
  sanitizeResources: false, // libp2p keeps sockets for a moment after it stopped
  sanitizeOps: false,
  fn: () =>
    withFolder(async (folder) => {
      const model = `${folder}/tiny.gguf`;
      await writeTinyGguf(model);
      const board = await makeBoard(folder);
      const data = `${folder}/data`;
      await using node = Program.start([
        ...alone(data),
        ...["--model", model, "--sysfs", `${folder}/sys`, ...BOARD],
      ]);
      const { addresses, peerId } = await node.event("ready");
      const entry = { bootstraps: [addresses[0]], version: "test" };
      await using client = await openClient(world, entry, AbortSignal.timeout(PATIENCE_MS));
      const caller = new Caller(client, peerId);
      const policy = async () => JSON.parse((await ask(["status", "--json", "--data-dir", data])).out).policy;
      const question = ["generate", "--data-dir", data, "--max-tokens", "4", "hello"];

      await caller.reads("online");
      assertEquals(await policy(), { action: "contribute", share: 1, because: [], until: null });
      const before = await ask(question);
      assertEquals(before.code, 0, before.err);
      const input = randomInput(6, TINY.hidden);
      await using whole = await caller.open(6);
      const expected = await caller.step(whole, input, 0, 6);
      await using session = await caller.open(6);
      const answers = [await caller.step(session, input, 0, 2)];

      await board.celsius(84);
      const hot = await node.event("degraded", ({ what }) => what === "contribution");
      assertEquals(hot.why, "paused: 84 °C on cpu-thermal, resumes at 70 °C");
      await caller.reads("offline");
      answers.push(await caller.step(session, input, 2, 4));
      await using late = await caller.open(6);
      await assertRejects(() => caller.step(late, input, 0, 1), NodeError, "84 °C on cpu-thermal");
      const refused = await ask(question);
      assertEquals(refused.code, 1);
      assertMatch(refused.err, /Cannot generate: this machine rests: 84 °C on cpu-thermal, resumes at 70 °C/);
      const { action, share, because } = await policy();
      assertEquals([action, share, because[0].rule], ["withdraw", 0, "heat"]);
      assertMatch(
        (await ask(["status", "--data-dir", data])).out,
        /^Policy +paused: 84 °C on cpu-thermal, resumes at 70 °C$/m,
      );

      await board.celsius(60);
      const cooled = await node.event("recovered", ({ what }) => what === "contribution");
      await caller.reads("online");
      answers.push(await caller.step(session, input, 4, 6));
      const together = Float32Array.from(answers.flatMap((part) => [...part]));
      const error = relativeError(together, expected, TINY.hidden);
      assert(error < 0.02, `the session that was open is off by ${error}`);
      const again = await ask(question);
      assertEquals([again.code, again.out], [0, before.out], again.err);

      await board.onMains(false);
      const unplugged = await node.event("degraded", ({ at, what }) =>
        at > cooled.at && what === "contribution");
      assertEquals(unplugged.why, "paused: it runs on its battery");
      await caller.reads("offline");
      const own = await ask(question);
      assertEquals([own.code, own.out], [0, before.out], own.err);
      await board.onMains(true);
      await node.event("recovered", ({ at, what }) =>
        at > unplugged.at && what === "contribution");
      await caller.reads("online");
      assertEquals(await node.stop(), 0);
    }),
});
