import { assertEquals, assertRejects } from "@std/assert";
import { NodeError } from "../../src/base/errors.ts";
import { Sequences } from "../../src/text/sequences.ts";
import { fakeWorld, settle } from "../support/world.ts";
import { scoresFor, ToySequence } from "./toy_sequence.ts";

const never = new AbortController().signal;
const count = (length: number, from = 0) => Array.from({ length }, (_, i) => from + i);

function scene(fail: () => Error | undefined = () => undefined) {
  const world = fakeWorld();
  const opened: ToySequence[] = [];
  const sequences = new Sequences(world, (room) => {
    const error = fail();
    if (error !== undefined) return Promise.reject(error);
    opened.push(new ToySequence(() => scoresFor(0, 2), room));
    return Promise.resolve(opened.at(-1)!);
  });
  return { world, opened, sequences };
}

Deno.test("a sequence given back is lent to the next request that begins alike, but for its last token", async () => {
  const { sequences, opened } = scene();
  const first = await sequences.lend(count(20), 100, never);
  assertEquals(first.held, 0);
  await first.release(count(30));
  const second = await sequences.lend([...count(25), 99], 100, never);
  assertEquals([second.held, second.sequence === first.sequence, opened.length], [25, true, 1]);
  await second.release(count(25));
  const same = await sequences.lend(count(25), 100, never);
  assertEquals(same.held, 24);
});

Deno.test("a sequence on loan is not lent twice, a short beginning in common is none, and room must be there", async () => {
  const { sequences, opened } = scene();
  const first = await sequences.lend(count(20), 100, never);
  await first.release(count(40));
  await sequences.lend(count(50), 100, never);
  assertEquals((await sequences.lend(count(50), 100, never)).held, 0);
  assertEquals(opened.length, 2);
  const other = scene();
  await (await other.sequences.lend(count(20), 64, never)).release(count(40));
  assertEquals((await other.sequences.lend([...count(15), 99, 98, 97], 64, never)).held, 0);
  assertEquals((await other.sequences.lend(count(40), 65, never)).held, 0);
});

Deno.test("one that cannot go back is lent only to go on", async () => {
  const { sequences, opened } = scene();
  const lease = await sequences.lend(count(20), 100, never);
  opened[0]!.canRewind = false;
  await lease.release(count(30));
  assertEquals((await sequences.lend([...count(25), 99, 98], 100, never)).held, 0);
  assertEquals((await sequences.lend(count(31), 100, never)).held, 30);
});

Deno.test("four are kept, the oldest goes first, and all after four minutes", async () => {
  const { sequences, opened, world } = scene();
  const leases = await Promise.all(count(5).map((i) => sequences.lend(count(20, 100 * i), 100, never)));
  for (const [i, lease] of leases.entries()) await lease.release(count(20, 100 * i));
  assertEquals(opened.map(({ closed }) => closed), [true, false, false, false, false]);
  assertEquals(sequences.size, 4);
  await world.clock.advance(240_000);
  assertEquals(opened.every(({ closed }) => closed), true);
  assertEquals(world.clock.sleepers, 0);
});

Deno.test("what failed is not kept, and kept ones make room when one cannot be opened", async () => {
  let full = false;
  const { sequences, opened } = scene(() => {
    if (!full) return undefined;
    full = false;
    return new NodeError("no_memory", "Cannot reserve: full");
  });
  await (await sequences.lend(count(20), 100, never)).release();
  assertEquals([opened[0]!.closed, sequences.size], [true, 0]);
  await (await sequences.lend(count(20), 100, never)).release(count(20));
  full = true;
  await sequences.lend(count(20, 500), 100, never);
  assertEquals([opened[1]!.closed, opened.length], [true, 3]);
  full = true;
  await assertRejects(() => sequences.lend(count(20, 700), 100, never), NodeError, "full");
});

Deno.test("disposing closes those kept, and those given back later", async () => {
  const { sequences, opened } = scene();
  const out = await sequences.lend(count(20), 100, never);
  await (await sequences.lend(count(20, 50), 100, never)).release(count(20, 50));
  await sequences[Symbol.asyncDispose]();
  await out.release(count(20));
  await settle();
  assertEquals(opened.map(({ closed }) => closed), [true, true]);
});

Deno.test("one that is old is not kept again: servers end their sessions after half an hour", async () => {
  const { sequences, opened, world } = scene();
  let lease = await sequences.lend(count(20), 100, never);
  for (let minutes = 0; minutes < 24; minutes += 3) {
    await lease.release(count(20));
    await world.clock.advance(3 * 60_000);
    lease = await sequences.lend(count(30), 100, never);
  }
  assertEquals(opened.length, 1);
  await world.clock.advance(2 * 60_000);
  await lease.release(count(20));
  assertEquals([opened[0]!.closed, sequences.size], [true, 0]);
});

Deno.test("nothing is kept while others want the room", async () => {
  const { sequences, opened } = scene();
  await (await sequences.lend(count(20), 100, never)).release(count(20));
  const lease = await sequences.lend(count(20, 500), 100, never);
  {
    using _wanted = await sequences.giveRoom();
    assertEquals([opened[0]!.closed, sequences.size], [true, 0]);
    await lease.release(count(20, 500));
    assertEquals([opened[1]!.closed, sequences.size], [true, 0]);
  }
  await (await sequences.lend(count(20), 100, never)).release(count(20));
  assertEquals(sequences.size, 1);
});
