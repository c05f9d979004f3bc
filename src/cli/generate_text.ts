/**
 * What `kwaainet generate` does.
 *
 * @module
 */
import { openFirstOf } from "../base/deadline.ts";
import type { World } from "../base/world.ts";
import type { TextModel, TextRequest } from "../text/types.ts";
import { type AnswerEnd, answerFields } from "./answer_object.ts";
import { DEFAULT_MAX_TOKENS } from "./flags.ts";
import { progressOn } from "./progress.ts";
import { loadSettings, textLevel, worldOf } from "./settings.ts";
import { listenForSignals } from "./signals.ts";
import { openSwarmText } from "./swarm_text.ts";
import { swarmTarget } from "./swarm_target.ts";
import { requestOfFlags } from "./text_flags.ts";
import type { Flag, Invocation } from "./verb.ts";

/** Asks the swarm as the invocation says. The exit code. */
export async function runGenerate(invocation: Invocation, flags: readonly Flag[]): Promise<number> {
  const settings = loadSettings(invocation, flags);
  const request: TextRequest = {
    prompt: { kind: "text", text: invocation.words[0]! },
    ...requestOfFlags(invocation, DEFAULT_MAX_TOKENS),
  };
  using stop = listenForSignals();
  const target = await swarmTarget(settings, stop.signal);
  const world = worldOf(invocation, settings, textLevel(invocation));
  const { output, environment } = invocation;
  const json = invocation.flags.has("json");
  using either = openFirstOf(stop.signal, output.closed);
  const { signal } = either;
  await using rooms = new AsyncDisposableStack();
  const model = await openSwarmText(world, { settings, target, output, environment }, rooms, signal);
  const answer = await tell(model, request, { output, json }, signal);
  if (json) output.json({ schema: 1, ...generatedObject(world, answer) });
  else output.line("");
  return 0;
}

interface Told {
  readonly text: string;
  readonly end: AnswerEnd;
}

async function tell(
  model: TextModel,
  request: TextRequest,
  { output, json }: Pick<Invocation, "output"> & { readonly json: boolean },
  signal: AbortSignal,
): Promise<Told> {
  let text = "";
  const progress = progressOn(output);
  for await (const event of model.answer(request, signal)) {
    if (event.kind === "prompt") progress.prompt(event);
    if (event.kind === "text") {
      progress.clear();
      text += event.text;
      if (!json) output.text(event.text);
    }
    if (event.kind === "end") return { text, end: event };
  }
  throw new TypeError("generation ended without an end");
}

function generatedObject(world: World, { text, end }: Told): object {
  return { event: "generated", at: Math.round(world.clock.now()), text, ...answerFields(end) };
}
