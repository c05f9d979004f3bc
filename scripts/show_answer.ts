/** Shows a `generated` event (the last line of standard input) as a person wants to read it. */
import { decodeUtf8 } from "../src/base/bytes.ts";

const lines = decodeUtf8(new Uint8Array(await new Response(Deno.stdin.readable).arrayBuffer())).trim().split(
  "\n",
);
const answer = JSON.parse(lines.at(-1) ?? "{}");
const energy = answer.joules === undefined || answer.joules === null ? "no sensor" : `${answer.joules} J`;
const text = `\n${answer.text}\n\n${answer.newTokens} tokens in ${Number(answer.seconds).toFixed(1)} s: ` +
  `${Number(answer.tokensPerSecond).toFixed(1)} tokens/s, energy: ${energy}\n`;
await Deno.stdout.write(new TextEncoder().encode(text));
