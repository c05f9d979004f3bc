import { assert, assertEquals } from "@std/assert";
import { NodeError } from "../../../src/base/errors.ts";
import type { Dht, DhtRecord, StoreOutcome } from "../../../src/dht/dht.ts";
import { type AnnouncerOptions, openAnnouncer } from "../../../src/petals/server/announce.ts";
import { decodeModelInfo, decodeServerInfo } from "../../../src/petals/wire/server_info.ts";
import { fakeWorld, settle } from "../../support/world.ts";
import { never, SERVER } from "./toy.ts";

/** Takes every record, or what `outcome` says. */
class ToyDht implements Dht {
  readonly rounds: (readonly DhtRecord[])[] = [];
  outcome: (records: readonly DhtRecord[]) => StoreOutcome = (records) => ({
    acceptedBy: ["p"],
    stored: new Set(records.keys()),
  });
  get = () => Promise.resolve(new Map());
  store(records: readonly DhtRecord[]): Promise<StoreOutcome> {
    this.rounds.push(records);
    return Promise.try(() => this.outcome(records));
  }
  status = () => ({ peers: 0, entries: 0, valid: 0 });
  /** State and expiration of the first record of each round. */
  said(): [string, number][] {
    return this.rounds.map(([first]) => [decodeServerInfo(first!.value).state, first!.expiresAtMs]);
  }
}

function setUp(options: Partial<AnnouncerOptions> = {}) {
  const world = fakeWorld();
  const dht = new ToyDht();
  const open = () =>
    openAnnouncer(world, {
      dht,
      self: SERVER,
      profile: { announcePeriodMs: 120_000, recordLifeMs: 240_000, kwaaiNodeRecord: false },
      prefix: "toy",
      range: { start: 2, end: 4 },
      model: { blocks: 8, repository: "https://huggingface.co/a/toy" },
      info: () => ({
        throughput: 12,
        publicName: "me",
        version: "1",
        inferenceRps: 30,
        adapters: [],
        torchDtype: "float32",
        quantType: "none",
        usingRelay: false,
        cacheTokensLeft: 800,
        nextPings: new Map([["Qm", 0.5]]),
      }),
      ...options,
    }, never);
  return { world, dht, open };
}

Deno.test("an announcer says JOINING, ONLINE and OFFLINE, each with a later expiration", async () => {
  const { dht, open, world } = setUp();
  const announcer = await open();
  assertEquals(announcer.status.state, "joining");
  await world.clock.advance(1000);
  const status = await announcer.announce("online", never);
  assertEquals([status.storedBlocks, status.acceptedBy, status.blocks], [2, ["p"], { start: 2, end: 4 }]);
  await announcer[Symbol.asyncDispose]();
  const said = dht.said();
  assertEquals(said.map(([state]) => state), ["joining", "online", "offline"]);
  assert(said[0]![1] < said[1]![1] && said[1]![1] < said[2]![1], `${said}`);
  assertEquals(said[0]![1], 1_700_000_240_000);
  assertEquals(world.clock.sleepers, 0);
});

Deno.test("an announcement holds one record a block with every field, and one of the model", async () => {
  const { dht, open } = setUp();
  await using _announcer = await open();
  const [records] = dht.rounds;
  assertEquals(records!.map(({ key, subkey }) => [key, subkey]), [
    ["toy.2", SERVER],
    ["toy.3", SERVER],
    ["_petals.models", "toy"],
  ]);
  assertEquals(decodeServerInfo(records![1]!.value), {
    state: "joining",
    throughput: 12,
    startBlock: 2,
    endBlock: 4,
    publicName: "me",
    version: "1",
    networkRps: undefined,
    forwardRps: undefined,
    inferenceRps: 30,
    adapters: [],
    torchDtype: "float32",
    quantType: "none",
    usingRelay: false,
    cacheTokensLeft: 800,
    nextPings: new Map([["Qm", 0.5]]),
  });
  assertEquals(decodeModelInfo(records![2]!.value), {
    blocks: 8,
    repository: "https://huggingface.co/a/toy",
  });
});

Deno.test("a private prefix is not listed, and OFFLINE leaves the model's record alone", async () => {
  const hidden = setUp({ prefix: "_toy" });
  await using _announcer = await hidden.open();
  assertEquals(hidden.dht.rounds[0]!.map(({ key }) => key), ["_toy.2", "_toy.3"]);
  const { dht, open } = setUp();
  await (await open())[Symbol.asyncDispose]();
  assertEquals(dht.rounds[1]!.map(({ key }) => key), ["toy.2", "toy.3"]);
  assertEquals(decodeServerInfo(dht.rounds[1]![0]!.value).nextPings, undefined);
});

Deno.test("on KwaaiNet the node has a record of its own, without pings", async () => {
  const { dht, open } = setUp({
    profile: { announcePeriodMs: 120_000, recordLifeMs: 360_000, kwaaiNodeRecord: true },
  });
  await using _announcer = await open();
  const record = dht.rounds[0]!.at(-1)!;
  assertEquals([record.key, record.subkey], ["_kwaai.inference.nodes", SERVER]);
  const info = decodeServerInfo(record.value);
  assertEquals([info.startBlock, info.endBlock, info.nextPings], [2, 4, undefined]);
  assertEquals(record.expiresAtMs, 1_700_000_360_000);
});

Deno.test("an announcer repeats within its period, by its own share, and keeps the records alive", async () => {
  const { dht, open, world } = setUp();
  await using announcer = await open();
  await announcer.announce("online", never);
  await world.clock.advance(107_000);
  assertEquals(dht.rounds.length, 2);
  await world.clock.advance(13_000);
  assertEquals(dht.said().map(([state]) => state), ["joining", "online", "online"]);
  await world.clock.advance(1_200_000);
  assert(dht.rounds.length >= 13 && dht.rounds.length <= 15, `${dht.rounds.length}`);
});

Deno.test("an announcer tries again soon after a round that failed or stored less than all", async () => {
  const { dht, open, world } = setUp();
  const taken = dht.outcome;
  dht.outcome = () => {
    throw new NodeError("unreachable", "nobody is there");
  };
  await using announcer = await open();
  assertEquals(announcer.status.expiresAtMs, 0);
  assert(world.lines.some((line) => line.includes("Blocks not announced")));
  dht.outcome = () => ({ acceptedBy: ["p"], stored: new Set([0]) });
  await world.clock.advance(15_000);
  assertEquals([dht.rounds.length, announcer.status.storedBlocks], [2, 1]);
  dht.outcome = taken;
  await world.clock.advance(29_000);
  assertEquals(dht.rounds.length, 2);
  await world.clock.advance(1_000);
  assertEquals([dht.rounds.length, announcer.status.storedBlocks], [3, 2]);
  await world.clock.advance(60_000);
  assertEquals(dht.rounds.length, 3);
});

Deno.test("an announcer whose clock is set back still says later expirations", async () => {
  const { dht, open, world } = setUp();
  await using announcer = await open();
  const now = world.clock.now;
  Object.assign(world.clock, { now: () => now() - 3_600_000 });
  await announcer.announce("online", never);
  assert(dht.said()[1]![1] > dht.said()[0]![1]);
});

Deno.test("an announcer nobody ever heard of does not say goodbye, and a deaf network delays it by 5 s", async () => {
  const silent = setUp();
  silent.dht.outcome = () => {
    throw new NodeError("unreachable", "nobody");
  };
  await (await silent.open())[Symbol.asyncDispose]();
  assertEquals(silent.dht.rounds.length, 1);
  const { dht, open, world } = setUp();
  const announcer = await open();
  dht.store = (_records: readonly DhtRecord[], signal?: AbortSignal) =>
    new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
  const ended = announcer[Symbol.asyncDispose]();
  await settle();
  await world.clock.advance(5000);
  await ended;
});
