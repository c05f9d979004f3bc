import { assert, assertEquals, assertMatch } from "@std/assert";
import { alone, ask, FLAVOUR, Program, withFolder } from "./program.ts";

Deno.test(`${FLAVOUR}: a node without blocks listens, is ready, answers status, and stops with OFFLINE and exit 0`, () =>
  withFolder(async (folder) => {
    const flags = ["--no-serve", ...alone(`${folder}/data`)];
    await using node = Program.start(flags);
    const listening = await node.event("listening");
    assertMatch(listening.addresses[0], /^\/ip4\/127\.0\.0\.1\/tcp\/\d+\/p2p\//);
    const ready = await node.event("ready");
    assertEquals([ready.peerId, ready.model, ready.blocks], [listening.peerId, null, null]);
    assertMatch(ready.api, /^http:\/\/127\.0\.0\.1:\d+$/);

    const status = await ask(["status", "--json", "--data-dir", `${folder}/data`]);
    assertEquals([status.code, JSON.parse(status.out).peerId], [0, ready.peerId]);
    assertEquals(await (await fetch(`${ready.api}/readyz`)).json(), { schema: 1, ready: true });
    assertEquals((await (await fetch(`${ready.api}/api/v1/status`)).json()).schema, 1);

    const second = await ask(["start", ...flags]);
    assertEquals(second.code, 1);
    assertMatch(second.err, /process \d+ holds it/);

    assertEquals(await node.stop(), 0);
    assertEquals((await node.event("stopped")).reason, "signal");
    assertEquals(node.others, []);
    assertEquals((await ask(["status", "--data-dir", `${folder}/data`])).code, 3);
  }));

Deno.test(`${FLAVOUR}: a node keeps its peer id, and is taken over after kill -9`, () =>
  withFolder(async (folder) => {
    const flags = ["--no-serve", ...alone(folder)];
    await using first = Program.start(flags);
    const { peerId } = await first.event("ready");
    await first.stop("SIGKILL");
    assertEquals((await ask(["status", "--data-dir", folder])).code, 3);
    await using second = Program.start(flags);
    assertEquals((await second.event("ready")).peerId, peerId);
    assertEquals(await second.stop("SIGINT"), 0);
  }));

Deno.test(`${FLAVOUR}: two nodes find each other, and one that was a member finds the other without a bootstrap`, () =>
  withFolder(async (folder) => {
    await using hub = Program.start(["--no-serve", ...alone(`${folder}/hub`)]);
    const { addresses, api, peerId } = await hub.event("listening").then(() => hub.event("ready"));
    const port = addresses[0].match(/\/tcp\/(\d+)\//)[1];
    const joined = ["--no-serve", ...alone(`${folder}/leaf`)];
    {
      await using leaf = Program.start([...joined, "--initial-peers", addresses[0]]);
      await leaf.event("ready");
      const status = await (await fetch(`${api}/api/v1/status`)).json();
      assertEquals(status.dht.peers, 1);
      assertEquals(await leaf.stop(), 0);
    }
    await using again = Program.start(joined);
    const ready = await again.event("ready");
    for (let tries = 0;; tries++) {
      const status = await (await fetch(`${ready.api}/api/v1/status`)).json();
      if (status.dht.peers === 1) break;
      assert(tries < 50, `${peerId} on ${port} was not found again: ${JSON.stringify(status)} ${again.err}`);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    assertEquals(await again.stop(), 0);
  }));

Deno.test(`${FLAVOUR}: a node without its bootstraps says why, lives on, and stops at once`, () =>
  withFolder(async (folder) => {
    const nobody = "/ip4/127.0.0.1/tcp/9/p2p/12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp";
    await using node = Program.start(["--no-serve", ...alone(folder), "--initial-peers", nobody]);
    const degraded = await node.event("degraded");
    assertEquals(degraded.what, "network");
    assertMatch(degraded.why, /--initial-peers/);
    const status = JSON.parse((await ask(["status", "--json", "--data-dir", folder])).out);
    assertEquals([status.readiness.ready, status.degraded.length], [false, 1]);
    assertEquals(await node.stop(), 0);
    assertEquals(node.events.some(({ event }) => event === "ready"), false);
  }));

Deno.test(`${FLAVOUR}: wrong arguments are one line and exit 2`, async () => {
  for (
    const args of [["strat"], ["start", "--netwrok", "kwaai"], ["start", "--network", "kwai"], [
      "start",
      "--blocks",
      "3",
    ]]
  ) {
    const { code, out, err } = await ask(args);
    assertEquals([code, out, err.trim().split("\n").length], [2, "", 1], err);
    assertMatch(err, /^kwaainet: Cannot .*, wanted /);
  }
});
