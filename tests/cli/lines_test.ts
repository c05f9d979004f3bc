import { assertEquals, assertRejects } from "@std/assert";
import { linesOf } from "../../src/cli/lines.ts";

const never = new AbortController().signal;
const streamOf = (...parts: string[]) =>
  ReadableStream.from(parts.map((part) => new TextEncoder().encode(part)));

Deno.test("linesOf gives lines wherever the bytes are cut, the last one without its end", async () => {
  const text = "one\r\n\nzwölf 🦕\nlast";
  const bytes = new TextEncoder().encode(text);
  for (let cut = 0; cut <= bytes.length; cut++) {
    const lines = linesOf(ReadableStream.from([bytes.slice(0, cut), bytes.slice(cut)]));
    const all: (string | undefined)[] = [];
    do all.push(await lines.next(never)); while (all.at(-1) !== undefined);
    assertEquals(all, ["one", "", "zwölf 🦕", "last", undefined]);
  }
});

Deno.test("linesOf keeps what comes after a wait that was given up", async () => {
  const input = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>();
  const lines = linesOf(input.readable);
  const stop = new AbortController();
  const waiting = lines.next(stop.signal);
  stop.abort(new Error("given up"));
  await assertRejects(() => waiting, Error, "given up");
  const writer = input.writable.getWriter();
  writer.write(new TextEncoder().encode("kept\n"));
  assertEquals(await lines.next(never), "kept");
  writer.close();
  assertEquals(await lines.next(never), undefined);
});

Deno.test("linesOf refuses a line without end", async () => {
  const lines = linesOf(streamOf(...Array(12).fill("x".repeat(100_000)), "\n"));
  await assertRejects(() => lines.next(never), Error, "characters");
});
