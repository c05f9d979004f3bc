import { assertEquals } from "@std/assert";
import { openSystemWorld } from "../../src/base/system_world.ts";
import { parseMetered, watchMetered } from "../../src/device/metered.ts";
import { temporaryFolder } from "../support/temporary_folder.ts";

Deno.test("parseMetered takes guesses for answers, and anything else for none", () => {
  assertEquals(["u 1", "u 2\n", "u 3", "u 4"].map(parseMetered), [true, false, true, false]);
  for (const bad of ["", "u 0", "u 5", "u 11", "i 1", "u", "yes", "u 1\nu 2"]) {
    assertEquals(parseMetered(bad), undefined, bad);
  }
});

Deno.test("watchMetered asks NetworkManager over the system's bus, and nobody where it does not run", async () => {
  await using folder = await temporaryFolder();
  const script = `#!/bin/sh
[ "$*" = "--system get-property org.freedesktop.NetworkManager /org/freedesktop/NetworkManager org.freedesktop.NetworkManager Metered" ] && echo "u 3"
`;
  await Deno.writeTextFile(`${folder.path}/busctl`, script, { mode: 0o755 });
  const path = Deno.env.get("PATH")!;
  Deno.env.set("PATH", `${folder.path}:${path}`);
  try {
    const world = openSystemWorld({ level: "error", json: false });
    await using there = watchMetered(world, folder.path);
    for (let i = 0; i < 100 && there.now === undefined; i++) await world.clock.sleep(20);
    assertEquals(there.now, true);
    await using absent = watchMetered(world, `${folder.path}/none`);
    await world.clock.sleep(20);
    assertEquals(absent.now, undefined);
  } finally {
    Deno.env.set("PATH", path);
  }
});
