import { assertEquals } from "@std/assert";
import { Output, type Sink } from "../../src/cli/output.ts";
import { progressOn } from "../../src/cli/progress.ts";

/** What a sink was given. */
function sinkOf(isTerminal: boolean) {
  const got = { text: "" };
  const sink: Sink = {
    writeSync(bytes) {
      got.text += new TextDecoder().decode(bytes);
      return bytes.length;
    },
    isTerminal: () => isTerminal,
  };
  return { got, sink };
}

function tell(isTerminal: boolean, total: number): string {
  const [out, err] = [sinkOf(false), sinkOf(isTerminal)];
  const progress = progressOn(new Output(out.sink, err.sink));
  for (let done = 256; done < total + 256; done += 256) {
    progress.prompt({ done: Math.min(done, total), total });
  }
  progress.clear();
  assertEquals(out.got.text, "");
  return err.got.text;
}

Deno.test("progress of a long prompt is plain lines where stderr is no terminal", () => {
  assertEquals(tell(false, 600).split("\n"), [
    "Reading the prompt: 256 of 600 tokens",
    "Reading the prompt: 512 of 600 tokens",
    "Reading the prompt: 600 of 600 tokens",
    "",
  ]);
  assertEquals(tell(false, 4000).split("\n").length, 5);
});

Deno.test("progress of a long prompt stays in its place on a terminal, and goes away", () => {
  assertEquals(
    tell(true, 600),
    [256, 512, 600].map((done) => `\rReading the prompt: ${done} of 600 tokens\x1b[K`).join("") + "\r\x1b[K",
  );
});

Deno.test("nothing is told of short prompts", () => {
  for (const isTerminal of [true, false]) assertEquals(tell(isTerminal, 500), "");
});
