/** The aarch64 binary as a black box, on a machine of another kind. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { createReferenceBackend } from "../../src/compute/reference.ts";
import { lastJson, python, VENV, WHY } from "../interop/petals/python.ts";
import { ggml, noGgml } from "../support/native_ggml.ts";
import { TINY, writeTinyGguf } from "../support/tiny_model.ts";
import { answerOf, BlockCaller, type Question, randomInput, relativeError } from "./block_caller.ts";
import { alone, ask, Program, type ProgramEvent, withFolder } from "./program.ts";
import { ARM, noArm } from "./qemu.ts";

const why = noArm === undefined ? "" : ` (skipped: ${noArm})`;

function armTest(name: string, fn: (folder: string, t: Deno.TestContext) => Promise<void>): void {
  Deno.test({
    name: `aarch64: ${name}${why}`,
    ignore: noArm !== undefined,
    sanitizeResources: false, // libp2p keeps sockets for a moment after it stopped
    sanitizeOps: false,
    fn: (t) => withFolder((folder) => fn(folder, t)),
  });
}

armTest("the binary says what it is", async () => {
  const { code, out, err } = await ask(["version", "--json"], {}, ARM);
  assertEquals([code, JSON.parse(out).target], [0, "aarch64-unknown-linux-gnu"], err);
});

armTest("two nodes find each other, and each tells of the other", async (folder) => {
  await using hub = Program.start(["--no-serve", ...alone(`${folder}/hub`)], {}, ARM);
  const first = await hub.event("ready");
  const joined = ["--no-serve", ...alone(`${folder}/leaf`), "--initial-peers", first.addresses[0]];
  await using leaf = Program.start(joined, {}, ARM);
  const second = await leaf.event("ready");
  for (const { api } of [first, second]) await untilPeers(api, 1);
  assertEquals([await leaf.stop(), await hub.stop()], [0, 0]);
});

/** Waits until the node knows that many peers of the DHT: it has called a new one back before it counts. */
async function untilPeers(api: string, peers: number): Promise<void> {
  const patience = AbortSignal.timeout(ARM.patienceMs);
  while (true) {
    const status = await (await fetch(`${api}/api/v1/status`, { signal: patience })).json();
    if (status.dht.peers === peers) return;
    assert(!patience.aborted, JSON.stringify(status));
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/**
 * `tolerance` is against single precision on the expanded weights: ggml takes the input of a quantised matrix as 8-bit
 * numbers, which costs some hundredths on a random model. Two kinds of processors do the same sums in other orders
 * (seen: 4e-7 for F32, 2e-4 for Q4_0, whose answers come in half precision).
 */
const FORMATS = [
  { format: "F32", tolerance: 1e-5, betweenProcessors: 1e-5, dtype: "torch.float32" },
  { format: "Q4_0", tolerance: 5e-2, betweenProcessors: 1e-2, dtype: "torch.float16" },
] as const;

for (const { format, tolerance, betweenProcessors, dtype } of FORMATS) {
  armTest(`tiny ${format} blocks are served with ggml`, async (folder, t) => {
    const model = `${folder}/tiny.gguf`;
    await writeTinyGguf(model, { format, blocks: 3 });
    const flags = [...alone(`${folder}/data`), "--model", model, "--engine", "ggml"];
    await using node = Program.start(flags, {}, ARM);
    const ready = await node.event("ready");
    assertEquals([ready.engine, ready.prefix, ready.blocks], ["ggml", "tiny-hf", [0, 3]]);
    const input = randomInput(7, TINY.hidden);
    const question = { prefix: ready.prefix, blocks: { start: 0, end: 3 }, input };
    const expected = await answerOf(createReferenceBackend(), model, question);
    const check = (values: Float32Array, wanted = expected, most: number = tolerance) => {
      const error = relativeError(values, wanted, input.hidden);
      assert(error < most, `off by ${error}, wanted less than ${most}`);
    };
    await t.step("whole and in a session, to a peer of ours", async () => {
      await using caller = await BlockCaller.open(ready.addresses[0]);
      check(await caller.forward(question));
      check(await caller.session(question, [4, 1, 2]));
    });
    await t.step({
      name: `as ggml computes on this machine${noGgml === undefined ? "" : ` (skipped: ${noGgml})`}`,
      ignore: noGgml !== undefined,
      async fn() {
        await using caller = await BlockCaller.open(ready.addresses[0]);
        check(await caller.forward(question), await answerOf(ggml, model, question), betweenProcessors);
      },
    });
    await t.step({
      name: `to a hivemind node that found them in the DHT${WHY}`,
      ignore: VENV === undefined,
      async fn() {
        const answer = await askHivemind(folder, ready, question);
        assertEquals(answer.dtype, dtype);
        check(Float32Array.from(answer.values));
      },
    });
    await t.step("again, after their engine was killed", async () => {
      Deno.kill(await node.engine(), "SIGKILL");
      const degraded = await node.event("degraded");
      assertEquals(degraded.what, "engine");
      await node.event("announced", ({ at }) => at > degraded.at);
      await using caller = await BlockCaller.open(ready.addresses[0]);
      check(await caller.forward(question));
    });
    assertEquals(await node.stop(), 0);
  });
}

/** What forward_caller.py prints. */
interface ForwardAnswer {
  readonly servers: Readonly<Record<string, readonly string[]>>;
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly values: readonly number[];
  readonly refused: string;
}

/** The answer of `rpc_forward` to a caller that nobody here wrote. */
async function askHivemind(
  folder: string,
  ready: ProgramEvent,
  { prefix, blocks, input }: Question,
): Promise<ForwardAnswer> {
  const uids = Array.from({ length: blocks.end - blocks.start }, (_, i) => `${prefix}.${blocks.start + i}`);
  const shape = [input.batch, input.tokens, input.hidden];
  const file = `${folder}/request.json`;
  const request = { address: ready.addresses[0], uids, shape, values: [...input.data] };
  await Deno.writeTextFile(file, JSON.stringify(request));
  const said = await python(new URL("./forward_caller.py", import.meta.url).pathname, [file]);
  const answer: ForwardAnswer = lastJson(said);
  assertEquals(answer.servers, Object.fromEntries(uids.map((uid) => [uid, [ready.peerId]])));
  assertEquals(answer.shape, shape);
  assertMatch(answer.refused, /does not serve other\.0/);
  return answer;
}
