import { assert, assertEquals } from "@std/assert";
import { Background } from "../../src/dht/background.ts";
import { settle } from "../support/world.ts";

const untilAborted = (signal: AbortSignal) =>
  new Promise<void>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));

Deno.test("Background hears of failures and goes on", async () => {
  const failures: unknown[] = [];
  await using background = new Background((error) => failures.push(error));
  let isDone = false;
  background.run(() => Promise.reject(new Error("no")));
  background.run(() => {
    throw new Error("at once");
  });
  background.run(() => Promise.resolve(isDone = true));
  await settle();
  assertEquals([isDone, failures.map(String).sort()], [true, ["Error: at once", "Error: no"]]);
});

Deno.test("Background drops work above its limit and takes more when some is done", async () => {
  await using background = new Background(() => {}, 2);
  const gate = Promise.withResolvers<void>();
  assertEquals([1, 2, 3].map(() => background.run(() => gate.promise)), [true, true, false]);
  gate.resolve();
  await settle();
  assert(background.run(() => Promise.resolve()));
});

Deno.test("Background ends its work when disposed, silently, and takes no more", async () => {
  const failures: unknown[] = [];
  const background = new Background((error) => failures.push(error));
  background.run(untilAborted);
  await settle();
  await background[Symbol.asyncDispose]();
  assertEquals([failures, background.run(untilAborted)], [[], false]);
});
