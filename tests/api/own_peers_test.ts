import { assertEquals } from "@std/assert";
import { asker } from "./support.ts";

Deno.test("POST /api/v1/own-peers takes the id of a peer and nothing else, and no page of another site", async () => {
  const known: string[] = [];
  const ask = asker({ own: (peerId) => void known.push(peerId) });
  const named = await ask("/api/v1/own-peers", { json: { peerId: "12D3KooWabc" } });
  assertEquals([named.status, await named.json()], [200, { schema: 1 }]);
  for (
    const json of [{}, { peerId: "" }, { peerId: "../x" }, { peerId: "x".repeat(97) }, { peerId: 1 }, []]
  ) {
    const refused = await ask("/api/v1/own-peers", { json });
    assertEquals([refused.status, (await refused.json()).error.code], [400, "malformed"]);
  }
  const foreign = await ask("/api/v1/own-peers", {
    json: { peerId: "12D3KooWabc" },
    headers: { origin: "https://evil.example" },
  });
  assertEquals([foreign.status, known], [403, ["12D3KooWabc"]]);
});
