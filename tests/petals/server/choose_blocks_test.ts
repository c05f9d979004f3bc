import { assertEquals, assertThrows } from "@std/assert";
import { chooseBlocks, spansOf } from "../../../src/petals/server/choose_blocks.ts";
import type { ServerInfo, ServerState } from "../../../src/petals/wire/server_info.ts";

const info = (throughput: number, state: ServerState = "online"): ServerInfo => ({
  state,
  throughput,
  adapters: [],
});

Deno.test("chooseBlocks takes the first place where the swarm is slowest", () => {
  assertEquals(chooseBlocks(2, 4, []), { start: 0, end: 2 });
  const spans = [{ start: 0, end: 4, throughput: 3 }, { start: 3, end: 6, throughput: 2 }];
  assertEquals(chooseBlocks(2, 6, spans), { start: 4, end: 6 });
  assertEquals(chooseBlocks(2, 8, spans), { start: 6, end: 8 });
  assertEquals(chooseBlocks(3, 6, [{ start: 2, end: 3, throughput: 9 }]), { start: 3, end: 6 });
  assertEquals(chooseBlocks(6, 6, spans), { start: 0, end: 6 });
});

Deno.test("chooseBlocks compares sorted throughputs, the slowest block first", () => {
  // 0:2 holds 1 and 9, 1:3 holds 9 and 2, 2:4 holds 2 and 2: the single slowest block decides
  const spans = [1, 9, 2, 2].map((throughput, block) => ({ start: block, end: block + 1, throughput }));
  assertEquals(chooseBlocks(2, 4, spans), { start: 0, end: 2 });
  assertThrows(() => chooseBlocks(0, 4, []), RangeError);
  assertThrows(() => chooseBlocks(5, 4, []), RangeError);
});

Deno.test("spansOf joins blocks of a peer that follow each other, without ourselves and those offline", () => {
  const a = info(5);
  const b = info(7, "joining");
  const off = info(9, "offline");
  const records = [{ a, me: a }, { a, b }, { b, off }, { a, b }].map((here) => new Map(Object.entries(here)));
  assertEquals(
    spansOf(records, "me").toSorted((x, y) => x.start - y.start || x.end - y.end),
    [
      { start: 0, end: 2, throughput: 5 },
      { start: 1, end: 4, throughput: 7 },
      { start: 3, end: 4, throughput: 5 },
    ],
  );
});
