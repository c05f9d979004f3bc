/** A program under attack: what an honest client gets from it, what it holds, and what it costs. */
import { assert, assertEquals, assertLess } from "@std/assert";
import type { StatusDocument } from "../../src/api/status.ts";
import { fromFloat32, toFloat32 } from "../../src/base/tensor.ts";
import { createReferenceBackend } from "../../src/compute/reference.ts";
import { openModel } from "../../src/model/open_model.ts";
import { decodeExpertResponse } from "../../src/petals/wire/expert.ts";
import { decodeTensor, encodeTensor } from "../../src/petals/wire/tensor.ts";
import { writeTinyGguf } from "../support/tiny_model.ts";
import {
  hidden,
  METHODS,
  NO_PROMPTS,
  opening,
  request,
  soon,
  stepTensors,
  Stranger,
} from "./hostile_peer.ts";
import { alone, Program } from "./program.ts";

/** Tokens of the honest client's question. */
const TOKENS = 7;
/** Difference to plain TypeScript, relative to the largest value: attention memory may be in half precision. */
const MAX_ERROR = 0.01;
/** How long sessions may take to be noticed as over. */
const SETTLE_MS = 30_000;
const MIB = 2 ** 20;

/** A node that serves a tiny model, and an honest client of it. */
export class Target implements AsyncDisposable {
  readonly #parts: AsyncDisposableStack;
  readonly #idleMib: number;
  readonly #fullCache: number;

  private constructor(
    readonly program: Program,
    readonly api: string,
    readonly address: string,
    readonly peerId: string,
    readonly expected: Float32Array,
    parts: AsyncDisposableStack,
    idle: { readonly mib: number; readonly cache: number },
  ) {
    this.#parts = parts;
    this.#idleMib = idle.mib;
    this.#fullCache = idle.cache;
  }

  static async open(folder: string, flags: readonly string[] = []): Promise<Target> {
    await using parts = new AsyncDisposableStack();
    const model = `${folder}/tiny.gguf`;
    await writeTinyGguf(model);
    const program = parts.use(Program.start([...alone(`${folder}/data`), "--model", model, ...flags]));
    const { addresses, api, peerId } = await program.event("ready");
    const address: string = addresses[0];
    const expected = await expectedOf(model);
    await askHonestly(address, expected); // everything that is made once is made now
    const status = await statusOf(api);
    const mib = [program.child.pid, ...childrenOf(program.child.pid)]
      .reduce((sum, pid) => sum + residentMib(pid).peak, 0);
    const idle = { mib, cache: status.serving!.cacheTokensLeft };
    return new Target(program, api, address, peerId, expected, parts.move(), idle);
  }

  get pid(): number {
    return this.program.child.pid;
  }

  /** The engine's process. */
  get enginePid(): number {
    const [pid] = childrenOf(this.pid);
    assert(pid !== undefined, "the engine is not running");
    return pid;
  }

  status(): Promise<StatusDocument> {
    return statusOf(this.api);
  }

  /** What a client that keeps the rules is answered, over a connection of its own. */
  honest(): Promise<void> {
    return askHonestly(this.address, this.expected);
  }

  /** Forgets the highest memory so far. */
  resetPeak(): void {
    for (const pid of this.#processes()) Deno.writeTextFileSync(`/proc/${pid}/clear_refs`, "5");
  }

  /** What both processes together held at most since `resetPeak`, above what they hold when idle. */
  get extraMib(): number {
    return this.#processes().reduce((sum, pid) => sum + residentMib(pid).peak, 0) - this.#idleMib;
  }

  /**
   * Throws unless the node is as before: right answers, no sessions, all attention memory free, no dead children, and
   * never more than `maxExtraMib` of memory above what it holds when idle.
   */
  async requireUnharmed(maxExtraMib: number): Promise<void> {
    await this.honest();
    const until = performance.now() + SETTLE_MS;
    for (;;) {
      const { serving } = await this.status();
      if (serving!.sessions === 0 && serving!.cacheTokensLeft === this.#fullCache) break;
      assertLess(performance.now(), until, `still held after ${SETTLE_MS} ms: ${JSON.stringify(serving)}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    assertEquals(childrenOf(this.pid).filter(isZombie), []);
    assertLess(this.extraMib, maxExtraMib, "MiB above idle");
  }

  #processes(): number[] {
    return [this.pid, ...childrenOf(this.pid)];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.disposeAsync();
  }
}

/** What the blocks make of the question, by plain TypeScript in this process. */
async function expectedOf(path: string): Promise<Float32Array> {
  const { signal } = new AbortController();
  await using model = await openModel(path, signal);
  const options = { dtype: "f32", threads: 1 } as const;
  await using blocks = await createReferenceBackend().load(model, { start: 0, end: 4 }, options, signal);
  const input = { batch: 1, tokens: TOKENS, hidden: 64, data: toFloat32(hidden(1, TOKENS)) };
  return await blocks.forward({ input }, blocks.range, signal);
}

/** One forward and one session of three steps, over a connection of their own. */
async function askHonestly(address: string, expected: Float32Array): Promise<void> {
  await using client = await Stranger.open(address);
  const question = hidden(1, TOKENS);
  const tensors = [question, NO_PROMPTS].map((tensor) => encodeTensor(tensor));
  requireEqual(outputOf(await client.call(METHODS.forward, request({ tensors }))), expected);

  const stream = await client.stream(METHODS.inference);
  const values = toFloat32(question);
  let at = 0;
  for (const tokens of [4, 1, 2]) {
    const [from, to] = [at * 64, (at + tokens) * 64];
    const input = fromFloat32(values.slice(from, to), [1, tokens, 64], "float32");
    await stream.send(at === 0 ? opening({ input }) : request({ tensors: stepTensors(input) }));
    const reply = await stream.receive(soon());
    assert(reply !== undefined, "the session ended early");
    requireEqual(outputOf(reply), expected.slice(from, to));
    at += tokens;
  }
  await stream.send(new Uint8Array(0));
  assertEquals(await stream.receive(soon()), undefined);
  await stream.endRequests();
}

const outputOf = (reply: Uint8Array): Float32Array =>
  toFloat32(decodeTensor(decodeExpertResponse(reply).tensors[0]!));

function requireEqual(actual: Float32Array, expected: Float32Array): void {
  assertEquals(actual.length, expected.length);
  const scale = Math.max(...expected.map(Math.abs));
  const apart = Math.max(...expected.map((value, i) => Math.abs(value - actual[i]!)));
  // a NaN is as wrong as can be
  assert(apart <= MAX_ERROR * scale, `an answer is off by ${apart} of ${scale}`);
}

const statusOf = async (api: string): Promise<StatusDocument> =>
  await (await fetch(`${api}/api/v1/status`, { signal: AbortSignal.timeout(10_000) })).json();

/** Resident memory now and at its highest. */
export function residentMib(pid: number): { readonly now: number; readonly peak: number } {
  const text = Deno.readTextFileSync(`/proc/${pid}/status`);
  const kib = (name: string) => Number(text.match(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m"))?.[1] ?? 0);
  return { now: kib("VmRSS") * 1024 / MIB, peak: kib("VmHWM") * 1024 / MIB };
}

/** Children of a process, dead ones that nobody asked after included. */
export function childrenOf(pid: number): number[] {
  const threads = [...Deno.readDirSync(`/proc/${pid}/task`)].map(({ name }) => name);
  return threads.flatMap((thread) =>
    Deno.readTextFileSync(`/proc/${pid}/task/${thread}/children`).trim().split(" ").filter(Boolean).map(
      Number,
    )
  );
}

const isZombie = (pid: number): boolean => /^State:\s+Z/m.test(Deno.readTextFileSync(`/proc/${pid}/status`));
