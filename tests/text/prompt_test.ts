import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { NodeError } from "../../src/base/errors.ts";
import { newTokensWithin } from "../../src/text/prompt.ts";
import { partOf } from "../../src/text/wrong_part.ts";

Deno.test("a prompt without room for one token is refused in words that clients look for", () => {
  assertEquals(newTokensWithin(100, 99, {}), 1);
  const error = assertThrows(() => newTokensWithin(100, 100, {}), NodeError);
  // those of Anthropic's service, which Claude Code takes numbers from, and of OpenAI's
  assertMatch(error.message, /prompt is too long: 100 tokens > 99 maximum/);
  assertMatch(error.message, /this model's maximum context length is 100 tokens/);
  assertEquals(partOf(error), "length");
});
