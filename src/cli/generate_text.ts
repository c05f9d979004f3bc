/**
 * What `kwaainet generate` does.
 *
 * @module
 */
import { openFirstOf } from "../base/deadline.ts";
import { blocksOf } from "../api/status.ts";
import { NodeError } from "../base/errors.ts";
import type { World } from "../base/world.ts";
import { dhtPrefixOf } from "../config/network_profile.ts";
import { openTokenizer } from "../model/tokenizer.ts";
import { findModel, resolveContext } from "../node/find_model.ts";
import { openClient } from "../node/open_client.ts";
import { openEngine } from "../node/open_compute.ts";
import { generate, type GenerateParts, type GenerateRequest, type GenerationEnd } from "../text/generate.ts";
import { sessionEnergy } from "../petals/client/energy.ts";
import { openSwarmChain } from "../petals/client/swarm_chain.ts";
import { swarmOf } from "../petals/client/swarm.ts";
import { VERSION } from "./build_info.ts";
import { DEFAULT_MAX_TOKENS } from "./flags.ts";
import type { Output } from "./output.ts";
import { loadSettings, type Settings, worldOf } from "./settings.ts";
import { listenForSignals } from "./signals.ts";
import { type SwarmTarget, swarmTarget } from "./swarm_target.ts";
import type { Flag, Invocation } from "./verb.ts";

/** Asks the swarm as the invocation says. The exit code. */
export async function runGenerate(invocation: Invocation, flags: readonly Flag[]): Promise<number> {
  const settings = loadSettings(invocation, flags);
  const request = requestOf(invocation);
  using stop = listenForSignals();
  const target = await swarmTarget(settings, stop.signal);
  const world = worldOf(invocation, settings, "warn");
  const { output, environment } = invocation;
  const json = invocation.flags.has("json");
  using either = openFirstOf(stop.signal, output.closed);
  const { signal } = either;
  const end = await generateText({ world, settings, target, request, output, environment, json }, signal);
  if (json) output.json({ schema: 1, ...generatedObject(world, end) });
  else output.line("");
  return 0;
}

interface Question {
  readonly world: World;
  readonly settings: Settings;
  readonly target: SwarmTarget;
  readonly request: GenerateRequest;
  readonly output: Output;
  readonly environment: Readonly<Record<string, string>>;
  readonly json: boolean;
}

async function generateText(question: Question, signal: AbortSignal): Promise<GenerationEnd> {
  await using rooms = new AsyncDisposableStack();
  const parts = await openParts(question, rooms, signal);
  const { world, request, output, json } = question;
  for await (const event of generate(world, parts, request, signal)) {
    if (event.kind === "end") return event;
    if (!json) output.text(event.text);
  }
  throw new TypeError("generation ended without an end");
}

/** Swarm and model are opened at the same time; `rooms` closes whatever was opened. */
async function openParts(
  { world, settings, target, output, environment }: Question,
  rooms: AsyncDisposableStack,
  signal: AbortSignal,
): Promise<GenerateParts> {
  const { config, paths } = settings;
  const say = (text: string) => output.error(text);
  const context = resolveContext(world, { paths, environment }, say);
  const { source } = await findModel(context, target.model, signal);
  rooms.use(source);
  const files = await source.tokenizer(signal);
  if (files === undefined) {
    throw new NodeError(
      "unsupported",
      `Cannot generate: ${source.id} has no tokenizer, wanted a model with one`,
    );
  }
  const openings = await Promise.allSettled([
    openClient(world, { bootstraps: target.bootstraps, version: VERSION }, signal).then((client) =>
      rooms.use(client)
    ),
    openEngine(world, { config, paths }, signal).then(async (engine) => {
      rooms.use(engine);
      return rooms.use(await engine.loadHead(source, signal));
    }),
  ]);
  const [client, head] = openings;
  if (client.status === "rejected") throw client.reason;
  if (head.status === "rejected") throw head.reason;
  const prefix = target.prefix ?? dhtPrefixOf(source.id, target.network);
  const swarm = swarmOf(world, { ...client.value, prefix, blocks: source.architecture.blocks });
  return {
    head: head.value,
    tokenizer: openTokenizer(files),
    contextLength: source.architecture.contextLength,
    openChain: (maxLength, signal) => openSwarmChain(world, swarm, { batch: 1, maxLength }, signal),
  };
}

function requestOf({ flags, words }: Invocation): GenerateRequest {
  const seed = numberOf(flags, "seed", "a whole number", Number.isSafeInteger);
  return {
    prompt: words[0]!,
    maxTokens: numberOf(flags, "max-tokens", "1 or more", (n) => Number.isSafeInteger(n) && n >= 1) ??
      DEFAULT_MAX_TOKENS,
    temperature: numberOf(flags, "temperature", "0 or above", (n) => n >= 0) ?? 0,
    ...(seed === undefined ? {} : { seed }),
  };
}

function numberOf(
  flags: Invocation["flags"],
  name: string,
  wanted: string,
  fits: (value: number) => boolean,
): number | undefined {
  const text = flags.get(name) as string | undefined;
  if (text === undefined) return undefined;
  const value = Number(text);
  if (/^\s*$/.test(text) || !Number.isFinite(value) || !fits(value)) {
    throw new NodeError("usage", `Cannot use --${name}: it is ${JSON.stringify(text)}, wanted ${wanted}`);
  }
  return value;
}

function generatedObject(world: World, end: GenerationEnd): object {
  const { text, tokens, promptTokens, newTokens, seconds, hops } = end;
  return {
    event: "generated",
    at: Math.round(world.clock.now()),
    text,
    tokens,
    promptTokens,
    newTokens,
    seconds: Math.round(seconds * 1000) / 1000,
    tokensPerSecond: Math.round(newTokens / Math.max(seconds, 1e-6) * 100) / 100,
    ...sessionEnergy(hops, promptTokens + newTokens),
    hops: hops.map(({ peerId, blocks }) => ({ peerId, blocks: blocksOf(blocks) })),
  };
}
