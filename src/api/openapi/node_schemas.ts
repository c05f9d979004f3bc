/**
 * Answers of the node itself, as JSON Schemas.
 *
 * @module
 */
import { COUNT, FLAG, listOf, mapOf, NUMBER, oneOf, orNull, type Schema, shape, TEXT } from "./schema.ts";

/** Blocks, half-open. */
export const RANGE: Schema = { type: "array", items: COUNT, minItems: 2, maxItems: 2 };
const JOULES_PER_TOKEN = shape({ dynamic: orNull(NUMBER), full: orNull(NUMBER) });
const METHOD = oneOf("lifecycle", "operational", "unstated", "marginal");
const GRAMS = { method: METHOD, grams: NUMBER };

const FIGURE = {
  watts: orNull(NUMBER),
  joules: orNull(NUMBER),
  kind: oneOf("measured", "modelled", "mixed", "none"),
  scope: orNull(oneOf("wall", "board", "package", "accelerator", "part")),
  source: orNull(TEXT),
  uncertainty: orNull(NUMBER),
  coverage: NUMBER,
};

/** What the policy says now. */
export const POLICY = shape({
  action: oneOf("contribute", "slow", "withdraw"),
  share: NUMBER,
  because: listOf(shape({ rule: TEXT, action: oneOf("slow", "withdraw"), says: TEXT, "untilMs?": NUMBER })),
  until: orNull(NUMBER),
});

const ANNOUNCED = shape({
  name: orNull(TEXT),
  version: TEXT,
  throughput: NUMBER,
  cacheTokensLeft: orNull(NUMBER),
  dtype: orNull(TEXT),
  usingRelay: FLAG,
});

const DEVICE = shape({
  celsius: orNull(NUMBER),
  hottest: orNull(TEXT),
  throttled: orNull(FLAG),
  undervolted: orNull(FLAG),
  memoryAvailableBytes: orNull(NUMBER),
  memoryTotalBytes: orNull(NUMBER),
  ownMemoryBytes: orNull(NUMBER),
  diskFreeBytes: orNull(NUMBER),
  dayWriteBytes: NUMBER,
  dayWriteBudgetBytes: NUMBER,
  monthBytes: NUMBER,
  monthBudgetBytes: NUMBER,
});

/** Answer of `/api/v1/status`. */
export const STATUS = shape({
  schema: { const: 1 },
  version: TEXT,
  peerId: TEXT,
  addresses: listOf(TEXT),
  network: oneOf("kwaai", "petals", "private"),
  reachability: shape({
    state: oneOf("reachable", "unreachable", "unknown"),
    reason: TEXT,
    "checkedAt?": NUMBER,
    "askedPeers?": COUNT,
    "reachedBy?": COUNT,
  }),
  dht: shape({ peers: COUNT, entries: COUNT, valid: COUNT, lastAnnounceAt: orNull(NUMBER) }),
  serving: orNull(shape({
    model: TEXT,
    prefix: TEXT,
    blocks: RANGE,
    engine: TEXT,
    sessions: COUNT,
    cacheTokensLeft: NUMBER,
    "modelBlocks?": COUNT,
    "announced?": ANNOUNCED,
  })),
  "answers?": shape({ running: COUNT, waiting: COUNT }),
  energy: shape({ ...FIGURE, "joulesPerToken?": JOULES_PER_TOKEN }),
  work: shape({
    steps: COUNT,
    failedSteps: COUNT,
    tokens: COUNT,
    prefillTokens: COUNT,
    bytesIn: COUNT,
    bytesOut: COUNT,
    computeMs: NUMBER,
  }),
  policy: POLICY,
  "device?": DEVICE,
  readiness: { anyOf: [shape({ ready: { const: true } }), shape({ ready: { const: false }, reason: TEXT })] },
  degraded: listOf(shape({ what: TEXT, why: TEXT })),
  uptimeSeconds: NUMBER,
});

const CARBON = shape({
  zone: orNull(TEXT),
  intensity: orNull(NUMBER),
  method: orNull(METHOD),
  quality: orNull(oneOf("live", "estimated", "stale", "yearly")),
  provider: orNull(TEXT),
  atMs: orNull(NUMBER),
  uncertainty: orNull(NUMBER),
  renewableRatio: orNull(NUMBER),
  attribution: orNull(TEXT),
  reason: orNull(TEXT),
  marginalIntensity: orNull(NUMBER),
  gramsLocation: orNull(NUMBER),
  location: listOf(shape({ ...GRAMS, joules: NUMBER })),
  gramsMarket: orNull(NUMBER),
  localJoules: NUMBER,
  unpricedJoules: NUMBER,
  sci: orNull(shape({ grams: NUMBER, embodiedGrams: orNull(NUMBER), method: METHOD })),
});

const RENEWABLE = shape({
  pvWatts: orNull(NUMBER),
  siteWatts: orNull(NUMBER),
  gridWatts: orNull(NUMBER),
  batteryWatts: orNull(NUMBER),
  share: orNull(NUMBER),
  basis: orNull(oneOf("site_meter", "assumes_node_first")),
  evidence: orNull(oneOf("A", "E")),
  ageMs: orNull(NUMBER),
  failures: listOf(shape({ id: TEXT, word: TEXT, reason: TEXT })),
});

/** Answer of `/api/v1/energy`. */
export const ENERGY = shape({
  schema: { const: 1 },
  node: shape(FIGURE),
  sources: listOf(shape({
    id: TEXT,
    kind: oneOf("measured", "modelled", "mixed"),
    scope: oneOf("wall", "board", "package", "accelerator", "part"),
    watts: orNull(NUMBER),
    joules: orNull(NUMBER),
    uncertainty: orNull(NUMBER),
    state: oneOf("ok", "denied", "absent", "error", "excluded"),
    "reason?": TEXT,
    counted: FLAG,
  })),
  "accounts?": shape({ serve: NUMBER, idle: NUMBER, other: NUMBER }),
  tokens: COUNT,
  "joulesPerToken?": JOULES_PER_TOKEN,
  "peerClasses?": mapOf(shape({ joules: NUMBER, tokens: NUMBER })),
  idleWatts: orNull(NUMBER),
  "carbon?": CARBON,
  "today?": shape({
    sinceMs: NUMBER,
    joules: NUMBER,
    location: listOf(shape(GRAMS)),
    unpricedJoules: NUMBER,
  }),
  "renewable?": RENEWABLE,
});
