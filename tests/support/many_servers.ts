/** A swarm of many servers, the same each time. */
import type {
  ServerProfile,
  SwarmDocument,
  SwarmModelDocument,
  SwarmServerDocument,
} from "../../src/api/swarm.ts";
import { coverageOf } from "../../src/node/swarm_view.ts";

/** When it was read unless said otherwise, Unix ms. */
const READ_AT = 1_790_000_000_000;
const ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const MODELS = [
  { prefix: "Llama-3-70B-Instruct-hf", repository: "meta/Llama-3-70B-Instruct", blocks: 80, share: 0.62 },
  { prefix: "Mixtral-8x22B-Instruct-v0-1-hf", repository: "mixtral/Mixtral-8x22B", blocks: 56, share: 0.27 },
  { prefix: "SmolLM2-135M-Instruct-hf", repository: null, blocks: 30, share: 0.11 },
];

/** Runs of blocks of the second model that nobody serves. */
export const GAPS: readonly (readonly [number, number])[] = [[23, 26], [40, 41]];

/** `servers` over three models: blocks are lacking in the second, and this node is one of the third. */
export function manyServers(servers: number, readAt = READ_AT): SwarmDocument {
  const models = MODELS.map(({ share, ...model }, number) => {
    const count = number < MODELS.length - 1 ? Math.round(servers * share) : 0;
    return { ...model, count };
  });
  models.at(-1)!.count = servers - models.reduce((sum, { count }) => sum + count, 0);
  const documents = models.map(({ count, ...model }, number) =>
    modelOf(
      model,
      Array.from(
        { length: count },
        (_, at) => ({ ...serverOf(number, at, model.blocks), expiresAt: readAt + 1000 * (60 + at % 300) }),
      ),
    )
  );
  return {
    schema: 1,
    network: "kwaai",
    self: documents.at(-1)!.servers[0]!.peerId,
    readAt,
    models: documents,
  };
}

function modelOf(
  model: Pick<SwarmModelDocument, "prefix" | "repository" | "blocks">,
  servers: readonly SwarmServerDocument[],
): SwarmModelDocument {
  const online = servers.filter(({ state }) => state === "online");
  const ranges = (isAway: boolean) =>
    online.filter(({ reachable }) => (reachable === false) === isAway)
      .map(({ blocks: [start, end] }) => ({ start, end }));
  return { ...model, ...coverageOf(ranges(false), ranges(true), model.blocks), servers };
}

function serverOf(model: number, at: number, blocks: number): Omit<SwarmServerDocument, "expiresAt"> {
  const dice = diceOf(1000 * model + at);
  const profile: ServerProfile = (["kwaainet", "petals", "petals", "other"] as const)[at % 4]!;
  const reachable = [true, true, null, false][dice(4)]!;
  const self = model === MODELS.length - 1 && at === 0;
  return {
    peerId: `12D3KooW${Array.from({ length: 44 }, () => ALPHABET[dice(ALPHABET.length)]).join("")}`,
    name: self ? "my-board" : at % 3 === 0 ? null : `${["attic", "lab", "garage"][dice(3)]}-${model}-${at}`,
    version: { kwaainet: "0.1.0+kwaainet", petals: "2.2.0.post1", other: "0.9" }[profile],
    profile: self ? "kwaainet" : profile,
    state: at % 23 === 22 ? "joining" : "online",
    blocks: rangeOf(model, dice, blocks),
    throughput: 1 + dice(4000) / 10,
    inferenceRps: at % 5 === 0 ? null : 10 + dice(900) / 10,
    cacheTokensLeft: at % 7 === 0 ? null : 1024 * dice(512),
    dtype: profile === "other" ? null : "bfloat16",
    quantisation: profile === "petals" ? "nf4" : null,
    usingRelay: at % 6 === 0 ? null : at % 2 === 0,
    reachable: self ? true : reachable,
    rttMs: reachable === true && !self ? 3 + dice(3000) / 10 : null,
    self,
    pledge: null,
  };
}

/** Blocks that do not touch the gaps. */
function rangeOf(model: number, dice: (sides: number) => number, blocks: number): [number, number] {
  const free: readonly (readonly [number, number])[] = model === 1
    ? [[0, GAPS[0]![0]], [GAPS[0]![1], GAPS[1]![0]], [GAPS[1]![1], blocks]]
    : [[0, blocks]];
  const [from, to] = free[dice(free.length)]!;
  const length = Math.min(to - from, 2 + dice(10));
  const start = from + dice(to - from - length + 1);
  return [start, start + length];
}

/** Numbers below a bound, the same for the same seed. */
function diceOf(seed: number): (sides: number) => number {
  let state = (seed + 1) * 2654435761 >>> 0;
  return (sides) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % sides;
  };
}
