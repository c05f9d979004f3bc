import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { NodeError } from "../../../src/base/errors.ts";
import type { Packable } from "../../../src/base/msgpack.ts";
import { readIncoming } from "../../../src/petals/server/inference.ts";
import { Session, type SessionRules, termsOf } from "../../../src/petals/server/session.ts";
import { ALL, hidden, NO_PROMPTS, NO_ROWS, opening, request } from "./toy.ts";

const rules: SessionRules = {
  prefix: "toy",
  served: { start: 2, end: 6 },
  hiddenSize: 4,
  maxLength: 8192,
  maxTokens: 8192,
  maxBytes: 1 << 20,
};
const step = (tokens: number, metadata: Record<string, Packable> = {}) =>
  readIncoming(request(ALL, [hidden(1, tokens), NO_PROMPTS, NO_ROWS], metadata));
const open = (maxLength: number) => new Session(termsOf(step(0, opening(maxLength)), rules), rules);

Deno.test("Session and an engine's cache agree on positions over any steps and rewinds", () => {
  const move = fc.record({ tokens: fc.integer({ min: 0, max: 5 }), rewind: fc.option(fc.nat({ max: 20 })) });
  fc.assert(fc.property(fc.array(move, { maxLength: 30 }), (moves) => {
    const session = open(16);
    let engine = 0; // length of the engine's cache
    let position = 0;
    for (const { tokens, rewind } of moves) {
      const metadata: Record<string, Packable> = rewind === null ? {} : { start_from_position: rewind };
      const start = rewind ?? position;
      if (start > position || start + tokens > 16) {
        assertThrows(() => session.accept(step(tokens, metadata)), NodeError);
        return; // an error ends the session
      }
      const decision = session.accept(step(tokens, metadata));
      if (decision.kind !== "step") throw new Error(decision.kind);
      if (tokens > 0) engine = (decision.step.rewindTo ?? engine) + tokens;
      position = start + tokens;
      assertEquals(session.position, position);
      if (tokens > 0) assertEquals(engine, position);
    }
  }));
});

Deno.test("Session remembers the last 1024 step ids", () => {
  const session = open(8);
  for (let i = 0; i <= 1024; i++) assertEquals(session.accept(step(0, { step_id: `${i}` })).kind, "step");
  assertEquals(session.accept(step(0, { step_id: "1024" })).kind, "repeated");
  assertEquals(session.accept(step(0, { step_id: "1" })).kind, "repeated");
  assertEquals(session.accept(step(0, { step_id: "0" })).kind, "step");
});

Deno.test("Session ends with a request that has no tensors, whatever else it says", () => {
  const empty = readIncoming(request(ALL, [], { step_id: "x" }));
  assertEquals(open(8).accept(empty).kind, "end");
  assertEquals(termsOf(readIncoming(request(ALL, [], opening(3))), rules).batch, 1);
});

Deno.test("termsOf takes what the first request says of memory, rows and time", () => {
  const terms = termsOf(
    readIncoming(request("toy.3 toy.4", [hidden(3, 2), NO_PROMPTS, NO_ROWS], {
      max_length: 12,
      session_id: "s",
      alloc_timeout: 7,
    })),
    rules,
  );
  assertEquals(terms, {
    id: "s",
    range: { start: 3, end: 5 },
    batch: 3,
    maxLength: 12,
    allocationMs: 7000,
    asksForEnergy: false,
    structure: undefined,
  });
  assertThrows(
    () => termsOf(step(1, { max_length: 2n ** 63n }), rules),
    NodeError,
    "Cannot allocate KV cache",
  );
});
