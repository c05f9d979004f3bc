import { assert, assertEquals } from "@std/assert";
import { pack } from "../../src/base/msgpack.ts";
import { never, TestNetwork } from "./network.ts";

Deno.test("DhtNode stores a value that every other node reads", async () => {
  await using network = new TestNetwork();
  await network.grow(40);
  const expiresAtMs = network.clock.now() + 60_000;
  const outcome = await network.nodes[7]!.store([{ key: "k", value: pack("v"), expiresAtMs }], never());
  assert(outcome.acceptedBy.length >= 4, `${outcome.acceptedBy.length} accepted`);
  assertEquals(outcome.stored, new Set([0]));
  for (const node of [network.nodes[0]!, network.nodes[20]!, network.nodes[39]!]) {
    const found = await node.get(["k", "absent"], never());
    assertEquals(found.size, 1);
    assertEquals(found.get("k"), { kind: "value", value: pack("v"), expiresAtMs });
  }
});
