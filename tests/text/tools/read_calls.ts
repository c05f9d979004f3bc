/** What a parser makes of an answer that comes in parts. */
import { assert, assertEquals } from "@std/assert";
import { ToolParser } from "../../../src/text/tools/tool_parser.ts";
import type { ToolDefinition } from "../../../src/text/types.ts";
import { fakeWorld } from "../../support/world.ts";

/** A tool with arguments, one of them by a reference. */
export const weather: ToolDefinition = {
  name: "weather",
  description: "Tells the weather",
  parameters: {
    type: "object",
    properties: { city: { $ref: "#/$defs/city" }, days: { type: "integer", minimum: 1 } },
    required: ["city"],
    $defs: { city: { type: "string", minLength: 1 } },
  },
};
/** A tool without arguments. */
export const clock: ToolDefinition = { name: "clock" };

/** A tool with arguments of all kinds. */
export const search: ToolDefinition = {
  name: "web-search",
  parameters: {
    type: "object",
    properties: {
      query: { type: "string" },
      most: { anyOf: [{ type: "integer" }, { type: "null" }] },
      sites: { type: "array", items: { type: "string" } },
      exact: { type: "boolean" },
      by: { enum: ["date", "rank"] },
      more: { type: "object" },
    },
  },
};

/** A parser for calls of these tools. */
export function parser(most = 64): ToolParser {
  const tools = new Map([weather, clock, search].map(({ name, parameters }) => [name, parameters]));
  return new ToolParser(fakeWorld(), { tools, most, hasCode: true });
}

/** An answer, its text, and its calls as {@linkcode read} writes them. */
export type CallCase = readonly [answer: string, text: string, calls: readonly string[]];

/** What `read` makes of answers is the same however they are cut. */
export function assertRead(
  cases: readonly CallCase[],
  read: (answer: string, size: number) => { readonly text: string; readonly calls: readonly string[] },
): void {
  for (const [answer, text, calls] of cases) {
    for (const size of [1, 2, 3, 7, 1000]) {
      assertEquals(read(answer, size), { text, calls: [...calls] }, `${answer} in parts of ${size}`);
    }
  }
}

/** Text and calls of an answer that comes in parts of `size` letters. */
export function read(answer: string, size: number | (() => number), tools = parser()) {
  let text = "";
  const calls: string[] = [];
  const ids = new Set<string>();
  const take = (read: ReturnType<ToolParser["push"]>) => {
    text += read.text;
    for (const { id, name, arguments: given } of read.calls) {
      assert(/^call_[0-9a-f]{24}$/.test(id), id);
      ids.add(id);
      calls.push(name + given);
    }
  };
  for (let at = 0; at < answer.length;) {
    const end = at + (typeof size === "number" ? size : size());
    take(tools.push(answer.slice(at, end)));
    at = end;
  }
  take(tools.finish());
  assertEquals(ids.size, calls.length);
  return { text, calls };
}
