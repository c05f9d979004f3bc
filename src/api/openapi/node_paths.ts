/**
 * Routes of the node itself.
 *
 * @module
 */
import { OWN_PEER } from "../own_peers.ts";
import { PAUSE } from "../pause.ts";
import { ENERGY, POLICY, RANGE, STATUS } from "./node_schemas.ts";
import { answer, failures, inPath, jsonAnswer, operation, type Part, query, STREAM } from "./operation.ts";
import { ANY, COUNT, FLAG, listOf, NUMBER, oneOf, orNull, schemaOf, shape, TEXT } from "./schema.ts";

const SCHEMA = { const: 1 };

const SERVER = shape({
  peerId: TEXT,
  name: orNull(TEXT),
  version: orNull(TEXT),
  profile: oneOf("kwaainet", "petals", "other"),
  state: oneOf("online", "joining"),
  blocks: RANGE,
  throughput: NUMBER,
  inferenceRps: orNull(NUMBER),
  cacheTokensLeft: orNull(NUMBER),
  dtype: orNull(TEXT),
  quantisation: orNull(TEXT),
  usingRelay: orNull(FLAG),
  expiresAt: NUMBER,
  reachable: orNull(FLAG),
  rttMs: orNull(NUMBER),
  self: FLAG,
  pledge: { type: "null" },
});
const SWARM = shape({
  schema: SCHEMA,
  network: TEXT,
  self: TEXT,
  readAt: NUMBER,
  models: listOf(shape({
    prefix: TEXT,
    repository: orNull(TEXT),
    blocks: COUNT,
    coverage: listOf(COUNT),
    missing: listOf(RANGE),
    silent: listOf(RANGE),
    servers: listOf(SERVER),
  })),
});
const PEERS = shape({
  schema: SCHEMA,
  self: TEXT,
  peers: listOf(shape({
    peerId: TEXT,
    connected: FLAG,
    addresses: listOf(TEXT),
    agent: orNull(TEXT),
    rttMs: orNull(NUMBER),
  })),
});

const watched = (
  summary: string,
  answers: Readonly<Record<number, Part>>,
  ...more: readonly number[]
): Part => ({
  get: operation({
    tag: "node",
    summary,
    answers: { ...answers, ...failures("Error", 401, 403, 429, 500, ...more) },
  }),
});

const alive = (summary: string): Part => ({
  get: {
    ...operation({
      tag: "node",
      summary,
      answers: {
        200: jsonAnswer("It lives.", shape({ schema: SCHEMA, ok: FLAG })),
        ...failures("Error", 403),
      },
    }),
    security: [],
  },
});

/** By path. */
export const NODE_PATHS: Readonly<Record<string, Part>> = {
  "/healthz": alive("Whether the node lives."),
  "/health": alive("The same, where clients of other servers of models look for it."),
  "/readyz": {
    get: {
      ...operation({
        tag: "node",
        summary: "Whether the node does what was asked of it.",
        answers: {
          200: jsonAnswer("It does.", shape({ schema: SCHEMA, ready: { const: true } })),
          503: jsonAnswer("Not yet.", shape({ schema: SCHEMA, ready: { const: false }, reason: TEXT })),
          ...failures("Error", 403),
        },
      }),
      security: [],
    },
  },
  "/metrics": watched("Figures for Prometheus; OpenMetrics where `accept` names it.", {
    200: answer("The figures.", {
      "text/plain": TEXT,
      "application/openmetrics-text": TEXT,
    }),
  }),
  "/openapi.json": watched("This document.", { 200: jsonAnswer("OpenAPI 3.1.", { type: "object" }) }),
  "/api/v1/status": watched("All figures of the node.", { 200: jsonAnswer("The figures.", STATUS) }),
  "/api/v1/energy": watched("Energy and carbon.", { 200: jsonAnswer("The figures.", ENERGY) }),
  "/api/v1/events": watched("What changes, as it changes; the answer does not end.", {
    200: answer("Events `time`, `status` and `energy`.", { "text/event-stream": STREAM }),
  }, 503),
  "/api/v1/peers": watched("Peers that the node knows.", { 200: jsonAnswer("The peers.", PEERS) }),
  "/api/v1/swarm": {
    get: operation({
      tag: "node",
      summary: "The swarm as the node sees it: models, and who serves which blocks.",
      parameters: [query("model", TEXT, { description: "The prefix of the one model to be told." })],
      answers: {
        200: jsonAnswer("Models and servers.", SWARM),
        ...failures("Error", 401, 403, 429, 500, 502, 503, 504),
      },
    }),
  },
  "/api/v1/pause": {
    post: operation({
      tag: "node",
      summary: "Asks for quiet: so many minutes, none to go on, or until the morning.",
      body: schemaOf(PAUSE),
      answers: {
        200: jsonAnswer("What holds now.", shape({ schema: SCHEMA, policy: POLICY })),
        ...failures("Error", 400, 401, 403, 413, 429, 500),
      },
    }),
  },
  "/api/v1/own-peers": {
    post: operation({
      tag: "node",
      summary: "Names a peer that asks for the owner: a pause of the node does not count for it.",
      body: schemaOf(OWN_PEER),
      answers: {
        200: jsonAnswer("It is known.", shape({ schema: SCHEMA })),
        ...failures("Error", 400, 401, 403, 413, 429, 500),
      },
    }),
  },
  "/": watched("The page of the node.", { 200: answer("The page.", { "text/html": TEXT }) }),
  "/assets/{name}": pageFile("A file of the page."),
  "/map": watched("The map of the swarm.", { 200: answer("The page.", { "text/html": TEXT }) }),
  "/map/assets/{name}": pageFile("A file of the map."),
};

/** A file that a page loads. */
function pageFile(summary: string) {
  return {
    get: operation({
      tag: "node",
      summary,
      parameters: [inPath("name")],
      answers: {
        200: answer("The file.", { "text/javascript": ANY, "text/css": ANY }),
        304: { description: "The browser has it." },
        ...failures("Error", 401, 403, 404, 429, 500),
      },
    }),
  };
}
