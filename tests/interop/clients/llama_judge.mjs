// What llama.cpp's library makes of prompts at temperature 0.
// usage: node llama_judge.mjs MODULES MODEL TOKENS CLEAR <texts
// In: a JSON list of texts, in which names of special tokens are these tokens. Out, for each: the ids of the prompt, and
// steps of {id, text, end}, as long as the best token is CLEAR times as likely as the second.
import { createRequire } from "node:module";
import process from "node:process";
import { text as readAll } from "node:stream/consumers";
import { pathToFileURL } from "node:url";

const [modules, modelPath, tokens, clear] = process.argv.slice(2);
const { getLlama, LlamaLogLevel } = await import(
  pathToFileURL(createRequire(`${modules}/`).resolve("node-llama-cpp"))
);
const llama = await getLlama({ build: "never", gpu: false, logLevel: LlamaLogLevel.error });
const model = await llama.loadModel({ modelPath, gpuLayers: 0 });
// one thread: what waits for another that a busy machine does not run takes a hundred times as long
const context = await model.createContext({ contextSize: 1024, threads: 1 });
const sequence = context.getSequence();

async function answer(prompt) {
  await sequence.clearHistory();
  const steps = [];
  let next = prompt;
  while (steps.length < Number(tokens)) {
    const last = next.length - 1;
    const asked = next.map((id, at) =>
      at < last ? id : [id, { generateNext: { probabilities: true, options: { temperature: 0 } } }]
    );
    const { probabilities } = (await sequence.controlledEvaluate(asked)).at(-1).next;
    const [[id, best], [, second]] = [...probabilities].slice(0, 2);
    if (best / second < Number(clear)) break;
    const end = model.isEogToken(id);
    steps.push({ id, text: model.detokenize([id], true), end });
    if (end) break;
    next = [id];
  }
  return steps;
}

const answers = [];
for (const text of JSON.parse(await readAll(process.stdin))) {
  const prompt = model.tokenize(text, true);
  answers.push({ prompt, steps: await answer(prompt) });
}
process.stdout.write(`${JSON.stringify(answers)}\n`);
await llama.dispose();
