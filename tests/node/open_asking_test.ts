import { assert, assertEquals, assertRejects } from "@std/assert";
import { NodeError } from "../../src/base/errors.ts";
import type { LoadedBlocks } from "../../src/compute/backend.ts";
import { loadConfig } from "../../src/config/load.ts";
import { dataPaths } from "../../src/config/paths.ts";
import { openModel } from "../../src/model/open_model.ts";
import { Account } from "../../src/node/account.ts";
import type { Engine } from "../../src/node/engine.ts";
import { Health } from "../../src/node/health.ts";
import { openAsking } from "../../src/node/open_asking.ts";
import type { ServingContext } from "../../src/node/parts.ts";
import { planOf } from "../../src/node/plan.ts";
import { blocksThatFit, memoryNeed } from "../../src/node/span.ts";
import { loadedToy } from "../petals/client/toy_swarm.ts";
import { temporaryFolder } from "../support/temporary_folder.ts";
import { writeTinyGguf } from "../support/tiny_model.ts";
import { fakeWorld, settle } from "../support/world.ts";

const signal = new AbortController().signal;
const MIB = 2 ** 20;

/** A node that asks; `loads` are the engine's answers to the wish for blocks, one a life. */
async function scene(
  loads: readonly (LoadedBlocks | Error)[],
  { sets = [] as string[], availableBytes = 1000 * MIB, context = 256 } = {},
) {
  const rooms = new AsyncDisposableStack();
  const folder = rooms.use(await temporaryFolder());
  const path = `${folder.path}/tiny.gguf`;
  await writeTinyGguf(path, { context });
  const source = await openModel(path, signal);
  const world = fakeWorld();
  const { config } = loadConfig({
    flags: new Map(),
    sets: ["network=private", "serve=false", "model=x", ...sets],
    environment: {},
    file: undefined,
    target: undefined,
  });
  let deaths = Promise.withResolvers<string>();
  let asked = 0;
  const engine: Engine = {
    name: "reference",
    reason: "asked for",
    load: () => {
      const load = loads[asked++]!;
      return load instanceof Error ? Promise.reject(load) : Promise.resolve(load);
    },
    loadHead: () => Promise.reject(new Error("not here")),
    death: () => deaths.promise,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  const health = new Health(() => {}, () => {});
  const told = {
    world,
    plan: planOf(config, dataPaths("/d"), "0.1.0"),
    health,
    account: new Account(),
    tell: () => {},
  } as unknown as ServingContext;
  const asking = rooms.use(openAsking(told, {
    openModel: () => Promise.resolve({ source, repository: undefined }),
    openEngine: () => Promise.resolve(engine),
    availableBytes: () => availableBytes,
  }));
  let failure: unknown;
  asking.failed.catch((error) => failure = error);
  await asking.base.catch(() => {});
  await settle();
  return {
    world,
    asking,
    health,
    die: async (why: string) => {
      const dying = deaths;
      deaths = Promise.withResolvers();
      dying.resolve(why);
      await settle();
    },
    asked: () => asked,
    failure: () => failure,
    [Symbol.asyncDispose]: () => {
      // a wait for the next death ends with the node
      deaths.reject(new NodeError("aborted", "The node stops"));
      deaths.promise.catch(() => {});
      return rooms.disposeAsync();
    },
  };
}

const blocks = () => loadedToy({ start: 0, end: 4 });

Deno.test("a model that is only asked is held whole where it fits, and loaded again when the engine died", async () => {
  await using test = await scene([blocks(), new NodeError("unreachable", "Cannot load: it ended"), blocks()]);
  const first = test.asking.loaded;
  assert(first !== undefined);
  assertEquals(test.health.readiness, { ready: true });
  await test.die("it was killed");
  assertEquals([test.asking.loaded, test.health.degraded.map(({ what }) => what)], [undefined, ["engine"]]);
  assertEquals(test.health.readiness, { ready: false, reason: "the engine is started again: it was killed" });
  await test.world.clock.advance(1000); // the second life does not come about, and that is not the end
  assertEquals([test.asking.loaded, test.asked(), test.failure()], [undefined, 2, undefined]);
  await test.world.clock.advance(1000);
  assert(test.asking.loaded !== undefined && test.asking.loaded !== first);
  assertEquals([test.health.degraded, test.health.readiness], [[], { ready: true }]);
});

Deno.test("blocks that can never be loaded end the node", async () => {
  await using test = await scene([new NodeError("corrupt", "Cannot read the tensor: it ends")]);
  await assertRejects(() => test.asking.failed, NodeError, "it ends");
});

Deno.test("a model of a short context is held where its own context fits, and serving it might not", async () => {
  const context = 64;
  await using folder = await temporaryFolder();
  await writeTinyGguf(`${folder.path}/tiny.gguf`, { context });
  await using source = await openModel(`${folder.path}/tiny.gguf`, signal);
  const fits = (positions: number, availableBytes: number) =>
    blocksThatFit(memoryNeed(source, "auto", positions), availableBytes, 0) >= source.architecture.blocks;
  let availableBytes = 1 << 20;
  while (!fits(context, availableBytes)) availableBytes += 1024;
  assert(!fits(8192, availableBytes));
  const sets = ["compute.reserve_bytes=0"];
  await using test = await scene([blocks()], { availableBytes, context, sets });
  assert(test.asking.loaded !== undefined);
  await using named = await scene([blocks()], {
    availableBytes,
    context,
    sets: [...sets, "sessions.cache_tokens=8192"],
  });
  assertEquals(named.asking.loaded, undefined);
});

Deno.test("a model is held as far as serving it would need, however long its context may get", async () => {
  // half of the attention memory of a million positions would be 256 MiB and more a block
  const roomy = { availableBytes: 500 * MIB, context: 1_000_000 };
  await using test = await scene([blocks()], roomy);
  assert(test.asking.loaded !== undefined);
  await using small = await scene([blocks()], { ...roomy, availableBytes: 10 * MIB });
  assertEquals([small.asking.loaded, small.asked(), small.health.readiness], [undefined, 0, { ready: true }]);
  await using never = await scene([blocks()], { ...roomy, sets: ["text.solo=never"] });
  assertEquals([never.asking.loaded, never.asked()], [undefined, 0]);
  await using always = await scene([blocks()], { availableBytes: 10 * MIB, sets: ["text.solo=always"] });
  assert(always.asking.loaded !== undefined);
});
