import { assertEquals } from "@std/assert";
import { Output, type Sink } from "../../src/cli/output.ts";
import { progressOn, transferOn } from "../../src/cli/progress.ts";

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
  const progress = progressOn(new Output(out.sink, err.sink, () => 80));
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
    [256, 512, 600].map((done) => `Reading the prompt: ${done} of 600 tokens\x1b[K\r`).join("") + "\r\x1b[K",
  );
});

Deno.test("nothing is told of short prompts", () => {
  for (const isTerminal of [true, false]) assertEquals(tell(isTerminal, 500), "");
});

/** What a terminal or a pipe is told of a transfer of a thousand steps. */
function transfer(isTerminal: boolean): string {
  const [out, err] = [sinkOf(false), sinkOf(isTerminal)];
  const tell = transferOn(new Output(out.sink, err.sink, () => 80));
  for (let done = 0; done <= 1000; done++) tell(`a.gguf: ${done} of 1000 MB`, done / 1000);
  return err.got.text;
}

Deno.test("a long transfer is ten lines in a pipe or a journal, and one in its place on a terminal", () => {
  assertEquals(transfer(false).match(/\n/g)?.length, 11);
  const passing = Array.from({ length: 1000 }, (_, done) => `a.gguf: ${done} of 1000 MB\x1b[K\r`).join("");
  assertEquals(transfer(true), `${passing}\r\x1b[Ka.gguf: 1000 of 1000 MB\n`);
});

Deno.test("what passes is never wider than its terminal, and makes room for what is said", () => {
  const [out, err] = [sinkOf(true), sinkOf(true)];
  const output = new Output(out.sink, err.sink, () => 10);
  const tell = transferOn(output);
  tell("twelve letters", 0.1);
  output.line("said");
  output.error("wrong");
  tell("twelve letters", 0.2);
  output.clearPassing();
  assertEquals(err.got.text, "twelve le\x1b[K\r\r\x1b[Kwrong\ntwelve le\x1b[K\r\r\x1b[K");
  assertEquals(out.got.text, "said\n");
});
