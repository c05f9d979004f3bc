/**
 * Shows a `generated` event (the last line of standard input) as a person wants to read it. `show_answer.ts [KIND]`: the kind
 * of the node's energy figure, by which a joule that is not told is told apart from one that is not measured.
 */
import { decodeUtf8 } from "../src/base/bytes.ts";

const lines = decodeUtf8(new Uint8Array(await new Response(Deno.stdin.readable).arrayBuffer())).trim().split(
  "\n",
);
const answer = JSON.parse(lines.at(-1) ?? "{}");
const isMeasured = !["none", "", undefined].includes(Deno.args[0]);
const energy = typeof answer.joules === "number"
  ? `${answer.joules} J (${answer.method})`
  : isMeasured
  ? "not shared out yet, ask again"
  : "no sensor";
const text = `\n${answer.text}\n\n${answer.newTokens} tokens in ${Number(answer.seconds).toFixed(1)} s: ` +
  `${Number(answer.tokensPerSecond).toFixed(1)} tokens/s, energy: ${energy}\n`;
await Deno.stdout.write(new TextEncoder().encode(text));
