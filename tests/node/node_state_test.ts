import { assertEquals } from "@std/assert";
import { encodeUtf8 } from "../../src/base/bytes.ts";
import { openDatabase } from "../../src/base/database.ts";
import { openNodeState } from "../../src/node/node_state.ts";
import { fakeWorld } from "../support/world.ts";

const PEER = { peer: "12D3KooWA", nodeId: "00".repeat(20) };

async function withPath(use: (path: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await use(`${folder}/state.db`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("openNodeState keeps peers over a restart, also one in which nobody was met", () =>
  withPath(async (path) => {
    {
      await using state = openNodeState(fakeWorld(), path);
      assertEquals(state.known, []);
      state.keep(() => [PEER]);
    }
    for (let run = 0; run < 2; run++) {
      await using state = openNodeState(fakeWorld(), path);
      assertEquals(state.known, [PEER]);
      state.keep(() => []);
    }
  }));

Deno.test("openNodeState writes half a minute after the start and then every quarter of an hour", () =>
  withPath(async (path) => {
    const world = fakeWorld();
    await using state = openNodeState(world, path);
    let count = 0;
    state.keep(() => [{ ...PEER, peer: `${++count}` }]);
    await world.clock.advance(29_000);
    assertEquals(count, 0);
    await world.clock.advance(1_000);
    assertEquals([count, state.database.bytesWritten > 0], [1, true]);
    await world.clock.advance(3_600_000);
    assertEquals(count, 5);
  }));

Deno.test("openNodeState takes a damaged note for no note", () =>
  withPath(async (path) => {
    for (const note of ["{", "5", '[{"peer":1}]', '[null, "x"]']) {
      {
        using database = openDatabase(path);
        database.table("dht").put("peers", encodeUtf8(note));
      }
      await using state = openNodeState(fakeWorld(), path);
      assertEquals(state.known, [], note);
    }
  }));
