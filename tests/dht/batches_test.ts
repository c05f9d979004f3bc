import { assert, assertEquals } from "@std/assert";
import { batchesOf } from "../../src/dht/batches.ts";
import { MAX_MESSAGE_BYTES } from "../../src/dht/constants.ts";
import { PLAIN_SUBKEY } from "../../src/dht/record.ts";

const record = (bytes: number) => ({
  id: 1n,
  subkey: PLAIN_SUBKEY,
  value: new Uint8Array(bytes),
  expiration: 1,
});

Deno.test("batchesOf keeps the order and splits what one message cannot carry", () => {
  const records = [1_000_000, 900_000, 900_000, 3_000_000, 10].map(record);
  const batches = batchesOf(records);
  assertEquals(batches.flat(), records);
  assertEquals(batches.map((batch) => batch.length), [2, 1, 1, 1]);
  for (const batch of batches) {
    assert(batch.reduce((sum, { value }) => sum + value.length, 0) < MAX_MESSAGE_BYTES);
  }
});

Deno.test("batchesOf puts no more entries into a request than a node looks at", () => {
  assertEquals(batchesOf(Array.from({ length: 5_000 }, () => record(1))).map((batch) => batch.length), [
    4_096,
    904,
  ]);
  assertEquals(batchesOf([]), []);
});
