import { assertEquals, assertRejects } from "@std/assert";
import type { StatusDocument } from "../../src/api/status.ts";
import { NodeError } from "../../src/base/errors.ts";
import { swarmTarget } from "../../src/cli/swarm_target.ts";
import { loadConfig } from "../../src/config/load.ts";
import { dataPaths } from "../../src/config/paths.ts";
import { statusDocument } from "../api/support.ts";
import { temporaryFolder } from "../support/temporary_folder.ts";

const never = new AbortController().signal;
const serving = {
  model: "toy",
  prefix: "toy-hf",
  blocks: [0, 15] as const,
  engine: "ggml",
  sessions: 0,
  cacheTokensLeft: 1,
};
const pausedBy = (rule: string, says: string): Pick<StatusDocument, "policy"> => ({
  policy: { action: "withdraw", share: 0, because: [{ rule, action: "withdraw", says }], until: null },
});

/** Where a verb goes while a node of this status runs. */
async function targetWith(status: StatusDocument) {
  await using folder = await temporaryFolder();
  const end = new AbortController();
  const options = { port: 0, hostname: "127.0.0.1", signal: end.signal, onListen() {} };
  const server = Deno.serve(options, () => Response.json(status));
  const paths = dataPaths(folder.path);
  const api = `http://127.0.0.1:${server.addr.port}`;
  await Deno.writeTextFile(paths.lock, JSON.stringify({ pid: Deno.pid, api, model: "toy" }));
  const loaded = loadConfig({
    flags: new Map(),
    sets: [],
    environment: {},
    file: undefined,
    target: undefined,
  });
  try {
    return await swarmTarget({ ...loaded, paths, file: undefined, target: {} as never }, never);
  } finally {
    end.abort();
    await server.finished;
  }
}

Deno.test("a node that keeps others away is asked by its owner all the same, and one that does not only as it announces", async () => {
  const { paused } = await targetWith(
    statusDocument({ serving, ...pausedBy("pause", "paused by the owner for 5 minutes") }),
  );
  assertEquals([paused?.peerId, paused?.range, paused?.prefix], [
    "12D3KooTest",
    { start: 0, end: 15 },
    "toy-hf",
  ]);
  assertEquals((await targetWith(statusDocument({ serving }))).paused, undefined);
  assertEquals(
    (await targetWith(statusDocument(pausedBy("pause", "paused by the owner")))).paused,
    undefined,
  );
});

Deno.test("a node whose machine rests is not asked, and the verb says why", async () => {
  const status = statusDocument({ serving, ...pausedBy("heat", "84 °C on cpu-thermal, resumes at 70 °C") });
  const error = await assertRejects(
    () => targetWith(status),
    NodeError,
    "this machine rests: 84 °C on cpu-thermal, resumes at 70 °C",
  );
  assertEquals(error.code, "unreachable");
});
