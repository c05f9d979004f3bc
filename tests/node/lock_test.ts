import { assertEquals, assertRejects } from "@std/assert";
import { NodeError } from "../../src/base/errors.ts";
import type { Clock } from "../../src/base/world.ts";
import { dataPaths } from "../../src/config/paths.ts";
import { openDataLock, readHolder } from "../../src/node/lock.ts";
import { temporaryFolder } from "../support/temporary_folder.ts";

/** Deno before 2.9 has to wait for a lock, so time must pass. */
const clock: Clock = {
  now: () => 0,
  monotonic: () => 0,
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(resolve, ms);
      signal?.addEventListener("abort", () => {
        clearTimeout(timer);
        reject(signal.reason);
      });
    }),
};

Deno.test("openDataLock lets one process in, names it to the second, and makes way when it is disposed", async () => {
  const root = await Deno.makeTempDir();
  const paths = dataPaths(`${root}/new/data`);
  try {
    {
      await using lock = await openDataLock(clock, paths);
      lock.describe({ pid: Deno.pid, api: "http://127.0.0.1:1" });
      assertEquals(readHolder(paths), { pid: Deno.pid, api: "http://127.0.0.1:1" });
      const settings = {
        network: "private",
        initial_peers: Array<string>(500).fill(`/dns4/a/tcp/1/p2p/${"Q".repeat(46)}`),
      } as const;
      lock.describe({ pid: Deno.pid, settings });
      assertEquals(readHolder(paths), { pid: Deno.pid, settings });
      const error = await assertRejects(() => openDataLock(clock, paths), NodeError);
      assertEquals(
        (error as NodeError).message,
        `Cannot use data folder ${paths.root}: process ${Deno.pid} holds it, wanted a free one (stop it, or choose another with --data-dir)`,
      );
    }
    assertEquals(readHolder(paths), undefined);
    assertEquals((await Deno.stat(paths.root)).mode! & 0o777, 0o700);
    await (await openDataLock(clock, paths))[Symbol.asyncDispose]();
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});

Deno.test("a lock that is given back while somebody waits for a moment is theirs", async () => {
  await using folder = await temporaryFolder();
  const paths = dataPaths(folder.path);
  const held = await openDataLock(clock, paths);
  let waits = 0;
  const sleep: Clock["sleep"] = async (ms, signal) => {
    if (waits++ === 0) await held[Symbol.asyncDispose]();
    await clock.sleep(ms, signal);
  };
  await using _lock = await openDataLock({ ...clock, sleep }, paths);
  assertEquals(waits, 1);
});

Deno.test("openDataLock takes over what a killed process left behind", async () => {
  const root = await Deno.makeTempDir();
  const paths = dataPaths(root);
  try {
    const code = `const f = await Deno.open(${JSON.stringify(paths.lock)}, { create: true, write: true });
      await f.lock(true); await f.write(new TextEncoder().encode('{"pid":1234567}')); console.log("held"); await f.lock(true);
      setInterval(() => {}, 1000);`;
    const child = new Deno.Command(Deno.execPath(), {
      args: ["eval", code],
      stdout: "piped",
      stderr: "null",
    }).spawn();
    const reader = child.stdout.getReader();
    await reader.read();
    await assertRejects(() => openDataLock(clock, paths), NodeError, "process 1234567 holds it");
    child.kill("SIGKILL");
    await child.status;
    await reader.cancel();
    assertEquals(readHolder(paths), { pid: 1234567 });
    await using _lock = await openDataLock(clock, paths);
    assertEquals(readHolder(paths), { pid: Deno.pid });
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});
