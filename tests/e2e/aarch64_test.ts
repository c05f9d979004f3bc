/** The aarch64 binary as a black box, on a machine of another kind. */
import { assertEquals } from "@std/assert";
import { alone, ask, Program, withFolder } from "./program.ts";
import { ARM, noArm } from "./qemu.ts";

const why = noArm === undefined ? "" : ` (skipped: ${noArm})`;

function armTest(
  name: string,
  fn: (folder: string) => Promise<void>,
  more = { ignore: false, why: "" },
): void {
  Deno.test({
    name: `aarch64: ${name}${why}`,
    ignore: noArm !== undefined,
    sanitizeResources: false, // libp2p keeps sockets for a moment after it stopped
    sanitizeOps: false,
    fn: () => withFolder(fn),
  });
}

armTest("the binary says what it is", async () => {
  const { code, out, err } = await ask(["version", "--json"], {}, ARM);
  assertEquals([code, JSON.parse(out).target], [0, "aarch64-unknown-linux-gnu"], err);
});

armTest("two nodes find each other, and each tells of the other", async (folder) => {
  await using hub = Program.start(["--no-serve", ...alone(`${folder}/hub`)], {}, ARM);
  const first = await hub.event("ready");
  await using leaf = Program.start(
    ["--no-serve", ...alone(`${folder}/leaf`), "--initial-peers", first.addresses[0]],
    {},
    ARM,
  );
  const second = await leaf.event("ready");
  for (const { api } of [first, second]) {
    const status = await (await fetch(`${api}/api/v1/status`)).json();
    assertEquals(status.dht.peers, 1, JSON.stringify(status));
  }
  assertEquals([await leaf.stop(), await hub.stop()], [0, 0]);
});
