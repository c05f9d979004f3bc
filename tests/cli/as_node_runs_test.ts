import { assertEquals, assertMatch } from "@std/assert";
import { asNodeRuns } from "../../src/cli/as_node_runs.ts";
import type { NodeAnswer } from "../../src/cli/checks.ts";
import type { Settings } from "../../src/cli/settings.ts";
import { loadConfig } from "../../src/config/load.ts";
import { dataPaths } from "../../src/config/paths.ts";
import type { ConfigPath } from "../../src/config/schema.ts";
import { readRunningSettings, runningSettings } from "../../src/node/running_settings.ts";
import { temporaryFolder } from "../support/temporary_folder.ts";

const PEER = "/ip4/10.0.0.1/tcp/1/p2p/12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp";
const OTHER = PEER.replace("10.0.0.1", "10.0.0.2");
const running = { state: "running", status: { network: "petals" } } as NodeAnswer;

function load(flags: Partial<Record<ConfigPath, unknown>>, environment: Record<string, string> = {}) {
  const given = new Map(Object.entries(flags) as [ConfigPath, unknown][]);
  return loadConfig({ flags: given, sets: [], environment, file: undefined, target: undefined });
}
const settingsOf = (root: string, ...given: Parameters<typeof load>): Settings =>
  ({ ...load(...given), paths: dataPaths(root), file: undefined, target: undefined }) as unknown as Settings;

/** A folder that a node holds which was started with these flags. */
async function heldFolder(flags: Partial<Record<ConfigPath, unknown>>) {
  const folder = await temporaryFolder();
  const settings = runningSettings(load(flags).config);
  await Deno.writeTextFile(dataPaths(folder.path).lock, JSON.stringify({ pid: 1, settings }));
  return folder;
}

Deno.test("a verb beside a running node takes the node's settings, and its own flags win", async () => {
  const started = { network: "private", initial_peers: PEER, listen: "/ip4/127.0.0.1/tcp/0", serve: false };
  await using folder = await heldFolder({ ...started, model: "smollm2-135m" });
  const look = (flags: Parameters<typeof load>[0], environment = {}, node = running) => {
    const { settings: { config, origins }, taken } = asNodeRuns(
      settingsOf(folder.path, flags, environment),
      node,
    );
    return { config, origins, taken };
  };

  const plain = look({}, { KWAAI_INITIAL_PEERS: OTHER });
  assertEquals(
    [plain.config.network, plain.config.initial_peers, plain.config.listen, plain.config.serve],
    ["private", [PEER], ["/ip4/127.0.0.1/tcp/0"], false],
  );
  assertEquals(plain.origins.initial_peers, "running node");
  assertMatch(
    plain.taken!,
    /^looked at with its own settings: network private, initial_peers \/ip4\/10\.0\.0\.1\//,
  );
  assertMatch(plain.taken!, /, serve false, model smollm2-135m$/);
  assertEquals(plain.taken!.includes("\n"), false);

  const flagged = look({ initial_peers: OTHER });
  assertEquals([flagged.config.network, flagged.config.initial_peers], ["private", [OTHER]]);
  assertMatch(flagged.taken!, /; flags here say otherwise for initial_peers$/);
  // peers of the node's network are none of another's
  assertEquals(look({ network: "petals" }).config.initial_peers, []);
  assertEquals(look({ network: "private" }).config.initial_peers, [PEER]);

  assertEquals(look({}, {}, { state: "silent", why: "x" }).config.initial_peers, [PEER]);
  const none = look({}, {}, { state: "none" });
  assertEquals([none.config.network, none.taken], ["kwaai", undefined]);
});

Deno.test("a node of an earlier version tells its network alone", async () => {
  await using folder = await temporaryFolder();
  await Deno.writeTextFile(dataPaths(folder.path).lock, JSON.stringify({ pid: 1 }));
  const { settings, taken } = asNodeRuns(settingsOf(folder.path, {}), running);
  assertEquals([settings.config.network, taken], [
    "petals",
    "looked at with its own settings: network petals",
  ]);
});

Deno.test("readRunningSettings leaves out what is no setting, is secret, or has no value that this version takes", () => {
  assertEquals(readRunningSettings(undefined), undefined);
  assertEquals(readRunningSettings("x"), undefined);
  const kept = {
    network: "elsewhere",
    listen: ["nonsense"],
    serve: false,
    data_dir: "/",
    "http.api_keys": ["k"],
  };
  assertEquals(readRunningSettings(kept), { serve: false });
  const { config } = load({
    network: "private",
    initial_peers: PEER,
    "http.api_keys": "a-very-long-secret-key",
  });
  const written = JSON.stringify(runningSettings(config));
  assertEquals(written.includes("secret"), false);
  assertEquals(readRunningSettings(JSON.parse(written))!.initial_peers, [PEER]);
});
