import { assert, assertEquals, assertRejects } from "@std/assert";
import { NodeError } from "../../src/base/errors.ts";
import type { BlockStep, LoadOptions } from "../../src/compute/backend.ts";
import { type EngineState, openEngineProcess } from "../../src/compute/engine_process.ts";
import { sampleToken } from "../../src/compute/sample_token.ts";
import { openModel } from "../../src/model/open_model.ts";
import { CHILD_COMMAND } from "../support/engine_child.ts";
import { ggml, noGgml } from "../support/native_ggml.ts";
import { temporaryFolder } from "../support/temporary_folder.ts";
import { randomNumbers, writeTinyGguf } from "../support/tiny_model.ts";
import { fakeWorld, settle } from "../support/world.ts";

const signal = new AbortController().signal;
const RANGE = { start: 0, end: 4 };
const OPTIONS: LoadOptions = { dtype: "auto", threads: 1 };
const CONFIG = new URL("../../deno.json", import.meta.url).pathname;

function processTest(name: string, fn: () => Promise<void>): void {
  const title = `engine process ${name}`;
  Deno.test({ name: noGgml === undefined ? title : `${title} (left out: ${noGgml})`, ignore: !!noGgml, fn });
}

/** A process with a tiny model on disk. `states` tells of its deaths and returns. */
async function openTest(command: readonly string[] = CHILD_COMMAND) {
  const parts = new AsyncDisposableStack();
  const folder = parts.use(await temporaryFolder());
  const path = `${folder.path}/tiny.gguf`;
  await writeTinyGguf(path);
  const model = parts.use(await openModel(path, signal));
  const world = fakeWorld();
  const states = new StateQueue();
  const silences: boolean[] = [];
  const engine = parts.use(
    await openEngineProcess(world, {
      command: command.map((word) => word.replace("FOLDER", folder.path)),
      engine: "auto",
      dataDir: folder.path,
      onState: (state) => states.put(state),
      onSilence: (isSilent) => void silences.push(isSilent),
    }, signal),
  );
  return {
    engine,
    model,
    path,
    world,
    states,
    silences,
    folder: folder.path,
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

class StateQueue {
  readonly #states: EngineState[] = [];
  #wake = () => {};

  put(state: EngineState): void {
    this.#states.push(state);
    this.#wake();
  }

  async next(): Promise<EngineState> {
    while (this.#states.length === 0) await new Promise<void>((resolve) => this.#wake = resolve);
    return this.#states.shift()!;
  }
}

function inputOf(batch: number, tokens: number, seed = 3): BlockStep {
  const next = randomNumbers(seed);
  const data = Float32Array.from({ length: batch * tokens * 64 }, next);
  return { input: { batch, tokens, hidden: 64, data } };
}

const isAlive = (pid: number) => Deno.stat(`/proc/${pid}`).then(() => true, () => false);

processTest("computes what the engine computes in this process, to the last bit", async () => {
  await using test = await openTest();
  const { engine, model, path } = test;
  assertEquals(engine.name, "ggml");
  await using near = await ggml.load(model, RANGE, OPTIONS, signal);
  await using far = await engine.load(path, RANGE, OPTIONS, signal);
  for (const key of ["device", "hiddenSize", "dtype", "weightBytes", "cacheBytesPerToken"] as const) {
    assertEquals(far[key], near[key]);
  }
  const size = { range: { start: 1, end: 3 }, batch: 2, capacity: 200 };
  await using nearCache = await near.openCache(size, signal);
  await using farCache = await far.openCache(size, signal);
  const prompts = { tokens: 2, data: inputOf(4, 2, 5).input.data };
  for (
    const step of [
      { ...inputOf(2, 150), prompts },
      inputOf(2, 1, 4),
      { ...inputOf(2, 3, 5), rewindTo: 100, rows: [1, 0] },
      inputOf(2, 0),
    ]
  ) {
    assertEquals(await far.step(step, farCache, signal), await near.step(step, nearCache, signal));
    assertEquals(farCache.length, nearCache.length);
  }
  assertEquals(
    await far.forward(inputOf(3, 9), RANGE, signal),
    await near.forward(inputOf(3, 9), RANGE, signal),
  );
  await using nearHead = await ggml.loadHead(model, OPTIONS, signal);
  await using farHead = await engine.loadHead(model, OPTIONS, signal);
  assertEquals(farHead.vocabularySize, 320);
  assertEquals(await farHead.embed([1, 300], signal), await nearHead.embed([1, 300], signal));
  const { data } = inputOf(1, 2).input;
  assertEquals(await farHead.logits(data, 2, signal), await nearHead.logits(data, 2, signal));
});

processTest("scores tokens in one call as head and blocks do in three, also after going back", async () => {
  await using test = await openTest();
  const { engine, model, path } = test;
  await using blocks = await engine.load(path, RANGE, OPTIONS, signal);
  await using head = await engine.loadHead(model, OPTIONS, signal);
  const size = { range: RANGE, batch: 1, capacity: 20 };
  await using one = await blocks.openCache(size, signal);
  await using three = await blocks.openCache(size, signal);
  const passes: { ids: number[]; scored: number; rewindTo?: number }[] = [
    { ids: [1, 2, 300, 4], scored: 0 },
    { ids: [5], scored: 1 },
    { ids: [9, 8, 7], scored: 2, rewindTo: 2 },
  ];
  for (const { ids, scored, ...more } of passes) {
    const data = await head.embed(ids, signal);
    const input = { batch: 1, tokens: ids.length, hidden: 64, data };
    const output = await blocks.step({ input, ...more }, three, signal);
    const last = output.slice((ids.length - scored) * 64);
    const cpu: number[] = [];
    const step = { ids, scored, ...more, spent: (ms: number) => cpu.push(ms) };
    assertEquals(await blocks.scores!(step, one, head, signal), await head.logits(last, scored, signal));
    assertEquals(one.length, three.length);
    assert(cpu.length > 0 && cpu.every((ms) => ms >= 0));
  }
  const data = await head.embed([5, 6], signal);
  const all = await head.logits(data, 2, signal);
  const few = await head.bestLogits!(data, 2, 3, signal);
  assertEquals([...few].filter((score) => score > -Infinity).length, 6);
  for (let row = 0; row < 2; row++) {
    const [whole, kept] = [all, few].map((scores) => scores.slice(row * 320, (row + 1) * 320));
    assertEquals(kept!.indexOf(Math.max(...kept!)), whole!.indexOf(Math.max(...whole!)));
  }
  const one1 = await blocks.scores!({ ids: [3], scored: 1, best: 2, rewindTo: 5 }, one, head, signal);
  const one2 = await blocks.scores!({ ids: [3], scored: 1, rewindTo: 5 }, one, head, signal);
  assertEquals([...one1].filter((score) => score > -Infinity).every((score) => one2.includes(score)), true);
  await blocks.scores!({ ids: [7], scored: 0, rewindTo: 4 }, one, head, signal);
  for (
    const wrong of [
      { ids: [], scored: 0 },
      { ids: [1], scored: 2 },
      { ids: [1.5], scored: 1 },
      { ids: [1], scored: 1, rewindTo: 6 },
      { ids: Array(16).fill(1), scored: 1 },
      { ids: [5000], scored: 1 },
    ]
  ) {
    await assertRejects(() => blocks.scores!(wrong, one, head, signal), RangeError);
  }
  assertEquals(one.length, 5);
});

processTest(
  "chooses the next token as scores say, going on by itself or not, also behind what was not taken up",
  async () => {
    await using test = await openTest();
    const { engine, model, path } = test;
    await using blocks = await engine.load(path, RANGE, OPTIONS, signal);
    await using head = await engine.loadHead(model, OPTIONS, signal);
    const size = { range: RANGE, batch: 1, capacity: 12 };
    await using scored = await blocks.openCache(size, signal);
    await using chosen = await blocks.openCache(size, signal);
    const choices = [{ temperature: 0, draw: 0 }, {
      temperature: 1.5,
      topK: 40,
      topP: 0.9,
      minP: 0.01,
      draw: 0.7,
    }];
    let ids = [1, 2, 3];
    for (let turn = 0; turn < 9; turn++) {
      const choice = choices[turn % 2]!;
      const scores = await blocks.scores!({ ids, scored: 1 }, scored, head, signal);
      const id = sampleToken(scores, choice, () => choice.draw);
      const cpu: number[] = [];
      const step = { ids, choice, goOnUnless: turn === 3 ? [id] : [], spent: (ms: number) => cpu.push(ms) };
      assertEquals(await blocks.next!(step, chosen, head, signal), id);
      assertEquals([chosen.length, cpu.length > 0], [scored.length, true]);
      ids = turn === 5 ? [(id + 1) % 320] : [id];
    }
    const full = await assertRejects(() =>
      blocks.next!({ ids: [1, 2], choice: choices[0]!, goOnUnless: [] }, chosen, head, signal)
    );
    assert(full instanceof RangeError, String(full));
    const again = { ids: [7], rewindTo: 4, choice: choices[0]!, goOnUnless: [] };
    await blocks.next!(again, chosen, head, signal);
    const { input } = inputOf(1, 1);
    const afterChoice = await blocks.step({ input }, chosen, signal);
    await blocks.scores!({ ids: [7], scored: 0, rewindTo: 4 }, scored, head, signal);
    assertEquals(afterChoice, await blocks.step({ input }, scored, signal));
    assertEquals(chosen.length, 6);
    const state = Float32Array.from({ length: 64 }, (_, at) => Math.sin(at));
    const choice = choices[1]!;
    assertEquals(
      await head.next!(state, { choice }, signal),
      sampleToken(await head.logits(state, 1, signal), choice, () => choice.draw),
    );
    const goOn = { cache: chosen, unless: [] };
    for (const follows of [true, false]) {
      const id = await head.next!(state, { choice, goOn }, signal);
      const data = await head.embed([follows ? id : 9], signal);
      const step = { input: { batch: 1, tokens: 1, hidden: 64, data } };
      assertEquals(await blocks.step(step, chosen, signal), await blocks.step(step, scored, signal));
      assertEquals(chosen.length, scored.length);
    }
    await chosen[Symbol.asyncDispose]();
    await head.next!(state, { choice, goOn }, signal); // to a cache that is gone it makes no difference
  },
);

processTest("hands errors over with their kind, and goes on", async () => {
  await using test = await openTest();
  const { engine, model, path } = test;
  const absent = await assertRejects(() => engine.load("/nowhere.gguf", RANGE, OPTIONS, signal), NodeError);
  assertEquals(absent.code, "not_found");
  await assertRejects(() => engine.load(path, { start: 0, end: 5 }, OPTIONS, signal), RangeError);
  await using blocks = await engine.load(path, RANGE, OPTIONS, signal);
  await assertRejects(() => blocks.openCache({ range: RANGE, batch: 0, capacity: 1 }, signal), RangeError);
  await using cache = await blocks.openCache({ range: RANGE, batch: 1, capacity: 4 }, signal);
  await blocks.step(inputOf(1, 2), cache, signal);
  await assertRejects(() => blocks.step(inputOf(1, 3), cache, signal), RangeError);
  await assertRejects(() => blocks.step({ ...inputOf(1, 1), rows: [3] }, cache, signal), RangeError);
  assertEquals(cache.length, 2);
  await blocks.step(inputOf(1, 2), cache, signal);
  await using head = await engine.loadHead(model, OPTIONS, signal);
  for (const id of [320, -1, 0.5, 2 ** 40]) await assertRejects(() => head.embed([id], signal), RangeError);
});

processTest("lets a caller go at once, and frees what was opened for them", async () => {
  await using test = await openTest();
  await using blocks = await test.engine.load(test.path, RANGE, OPTIONS, signal);
  const left = new AbortController();
  await using cache = await blocks.openCache({ range: RANGE, batch: 1, capacity: 2000 }, signal);
  const pending = [
    blocks.step(inputOf(1, 2000), cache, left.signal),
    blocks.openCache({ range: RANGE, batch: 1, capacity: 8 }, left.signal),
    test.engine.load(test.path, RANGE, OPTIONS, left.signal),
  ];
  left.abort(new NodeError("aborted", "gone"));
  for (const call of pending) await assertRejects(() => call as Promise<unknown>, NodeError, "gone");
  const expected = await blocks.forward(inputOf(1, 4), RANGE, signal);
  assertEquals((await blocks.step(inputOf(1, 4), cache, signal)).length, expected.length);
  assertEquals(cache.length, 4);
});

processTest(
  "killed in the middle of a session fails it at once, starts again and serves the same blocks",
  async () => {
    await using test = await openTest();
    const { engine, world, states, model, path } = test;
    await using blocks = await engine.load(path, RANGE, OPTIONS, signal);
    await using head = await engine.loadHead(model, OPTIONS, signal);
    const cache = await blocks.openCache({ range: RANGE, batch: 1, capacity: 2000 }, signal);
    const expected = await blocks.step(inputOf(1, 3), cache, signal);
    const death = engine.death(signal);
    const pending = blocks.step(inputOf(1, 1900), cache, signal);
    const pid = engine.pid;
    Deno.kill(pid, "SIGKILL");
    const lost = await assertRejects(() => pending, NodeError, "killed by SIGKILL");
    assertEquals(lost.code, "unreachable");
    assert((await death).includes("SIGKILL"));
    assertEquals((await states.next()).kind, "restarting");
    assert(!await isAlive(pid));
    const codeOf = async (call: Promise<unknown>) => (await assertRejects(() => call, NodeError)).code;
    assertEquals(await codeOf(blocks.step(inputOf(1, 1), cache, signal)), "unreachable");
    assertEquals(await codeOf(blocks.openCache({ range: RANGE, batch: 1, capacity: 8 }, signal)), "busy");
    assertEquals(await codeOf(blocks.forward(inputOf(1, 1), RANGE, signal)), "busy");
    assertEquals(await codeOf(head.embed([1], signal)), "busy");
    const later = engine.load(path, { start: 0, end: 1 }, OPTIONS, signal);

    await world.clock.advance(1_000);
    assertEquals(await states.next(), { kind: "running" });
    assert(engine.pid !== pid);
    await using again = await blocks.openCache({ range: RANGE, batch: 1, capacity: 8 }, signal);
    assertEquals(await blocks.step(inputOf(1, 3), again, signal), expected);
    assertEquals(await codeOf(blocks.step(inputOf(1, 1), cache, signal)), "unreachable");
    assertEquals((await head.embed([1], signal)).length, 64);
    await using more = await later;
    assertEquals(more.range, { start: 0, end: 1 });
    await cache[Symbol.asyncDispose]();
  },
);

processTest(
  "stopped in the middle of a session is killed, starts again and serves the same blocks",
  async () => {
    await using test = await openTest();
    const { engine, world, states, silences, path } = test;
    await using blocks = await engine.load(path, RANGE, OPTIONS, signal);
    const cache = await blocks.openCache({ range: RANGE, batch: 1, capacity: 2000 }, signal);
    const expected = await blocks.step(inputOf(1, 3), cache, signal);
    const { pid } = engine;
    Deno.kill(pid, "SIGSTOP");
    const pending = [
      blocks.step(inputOf(1, 1900), cache, signal),
      blocks.forward(inputOf(1, 5), RANGE, signal),
      blocks.openCache({ range: RANGE, batch: 1, capacity: 8 }, signal),
    ];
    const losses = pending.map((call) => assertRejects(() => call as Promise<unknown>, NodeError));
    await settle();
    await world.clock.advance(40_000);
    assertEquals([engine.pid, silences], [pid, [true]]);
    await world.clock.advance(22_000);
    for (const { code, message } of await Promise.all(losses)) {
      assertEquals(code, "unreachable");
      assert(message.includes("it gave no sign of life for 60 s"), message);
    }
    assertEquals((await states.next()).kind, "restarting");
    assert(!await isAlive(pid));
    assertEquals(silences, [true, false]);
    assert(world.lines.some((line) => line.startsWith("warn test Engine process gives no sign of life")));
    await world.clock.advance(1_000);
    assertEquals(await states.next(), { kind: "running" });
    await using again = await blocks.openCache({ range: RANGE, batch: 1, capacity: 8 }, signal);
    assertEquals(await blocks.step(inputOf(1, 3), again, signal), expected);
  },
);

processTest("stopped for less than a minute goes on as if nothing had been", async () => {
  await using test = await openTest();
  const { engine, world, path } = test;
  await using blocks = await engine.load(path, RANGE, OPTIONS, signal);
  const { pid } = engine;
  Deno.kill(pid, "SIGSTOP");
  const pending = blocks.forward(inputOf(1, 5), RANGE, signal);
  await settle();
  await world.clock.advance(56_000);
  Deno.kill(pid, "SIGCONT");
  assertEquals((await pending).length, 5 * 64);
  // the answer to what it was asked meanwhile is waited for by nobody
  assertEquals((await blocks.forward(inputOf(1, 4), RANGE, signal)).length, 4 * 64);
  assertEquals(engine.pid, pid);
});

processTest("tells its last words, and waits twice as long for each early death", async () => {
  await using test = await openTest([...CHILD_COMMAND, "FOLDER/broken"]);
  const { engine, world, states, path, folder } = test;
  const blocks = await engine.load(path, RANGE, OPTIONS, signal);
  const asserted = await assertRejects(() => engine.load("abort", RANGE, OPTIONS, signal), NodeError);
  assert(asserted.message.includes("GGML_ASSERT(toys) failed"), asserted.message);
  await Deno.writeTextFile(`${folder}/broken`, "");
  assertEquals((await states.next()).kind, "restarting");
  for (const pauseMs of [1_000, 2_000, 4_000]) {
    await world.clock.advance(pauseMs - 1);
    assertEquals(world.clock.sleepers, 1);
    await world.clock.advance(1);
    const state = await states.next();
    assert(
      state.kind === "restarting" && state.reason.includes("The library is gone"),
      JSON.stringify(state),
    );
  }
  await Deno.remove(`${folder}/broken`);
  await world.clock.advance(8_000);
  assertEquals(await states.next(), { kind: "running" });
  // unloaded while it was away: not loaded again
  await world.clock.advance(60_000);
  Deno.kill(engine.pid, "SIGKILL");
  assertEquals((await states.next()).kind, "restarting");
  await blocks[Symbol.asyncDispose]();
  await world.clock.advance(1_000);
  assertEquals(await states.next(), { kind: "running" });
  assert(world.lines.some((line) => line.includes("GGML_ASSERT")));
});

processTest("ends with its owner, also while it is starting again", async () => {
  const test = await openTest();
  const { pid } = test.engine;
  assert(await isAlive(pid));
  await test[Symbol.asyncDispose]();
  assert(!await isAlive(pid));
  await assertRejects(() => test.engine.load(test.path, RANGE, OPTIONS, signal), NodeError, "closed");

  const other = await openTest();
  Deno.kill(other.engine.pid, "SIGKILL");
  await other.states.next();
  await other[Symbol.asyncDispose]();
});

processTest("does not outlive a node that was killed", async () => {
  const node = new Deno.Command(Deno.execPath(), {
    args: [
      "eval",
      "--config",
      CONFIG,
      `import { openEngineProcess } from "${new URL("../../src/compute/engine_process.ts", import.meta.url)}";
       import { fakeWorld } from "${new URL("../support/world.ts", import.meta.url)}";
       const engine = await openEngineProcess(fakeWorld(), {
         command: ${JSON.stringify(CHILD_COMMAND)}, engine: "auto", dataDir: "/tmp",
       }, new AbortController().signal);
       Deno.stdout.writeSync(new TextEncoder().encode(String(engine.pid)));`,
    ],
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const reader = node.stdout.getReader();
  const pid = Number(new TextDecoder().decode((await reader.read()).value));
  assert(await isAlive(pid));
  node.kill("SIGKILL");
  await node.status;
  await reader.cancel();
  for (let tries = 0; tries < 500 && await isAlive(pid); tries++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert(!await isAlive(pid));
});

Deno.test("engine process says why it does not start", async () => {
  const why = async (command: readonly string[]) => {
    const options = { command, engine: "auto", dataDir: "/tmp" } as const;
    const error = await assertRejects(() => openEngineProcess(fakeWorld(), options, signal), NodeError);
    assertEquals(error.code, "no_backend");
    return error.message;
  };
  assert((await why(["/no/such/program"])).includes('"/no/such/program"'));
  assert((await why(["sh", "-c", "echo no luck >&2; exit 7"])).endsWith('code 7; its last words: "no luck"'));
  const garbage = await why(["sh", "-c", "echo some words that are no frame; cat >/dev/null"]);
  assert(garbage.includes("because of what it said"), garbage);
});

Deno.test("engine process lets go of an engine that does not open in time", async () => {
  const world = fakeWorld();
  const options = { command: ["sh", "-c", "cat >/dev/null"], engine: "auto", dataDir: "/tmp" } as const;
  const opening = openEngineProcess(world, options, signal);
  opening.catch(() => {});
  await world.clock.advance(60_000);
  const error = await assertRejects(() => opening, NodeError);
  assertEquals(error.code, "timeout");
});
