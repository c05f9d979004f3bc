/**
 * Greedy answers of a node against llama.cpp's library on the same file. Where the library's best token is less than 1.3
 * times as likely as its second (1.05 times for tiny models in single precision), engines may differ in good faith, and
 * what follows is not compared. Needs Node.js and what install.sh brings, and `KWAAI_SMOLLM2` for the demo model.
 */
import { assert, assertEquals } from "@std/assert";
import { withFolder } from "../../e2e/program.ts";
import { TINY, type TinyGgufOptions, writeTinyGguf } from "../../support/tiny_model.ts";
import { type ChatNode, MODEL_FILE, noModel, startNode, startNodeOf } from "./clients.ts";

const modules = `${Deno.env.get("KWAAI_CACHE")}/llama`;
const exists = (path: string) => Deno.stat(path).then(() => true, () => false);
const noLibrary = await exists(`${modules}/node_modules/node-llama-cpp`)
  ? ""
  : " (skipped: clients/install.sh brought no node-llama-cpp)";
const noLlama = noLibrary || noModel;

const TOKENS = 32;
const CLEAR = 1.3;
/** Of models whose weights are random and whose scores lie close, where both engines hold them in single precision. */
const TINY_CLEAR = 1.05;
const COMPLETIONS = [
  "The capital of France is",
  "Once upon a time, in a small village by the sea,",
  "def fibonacci(n):\n    ",
  "1, 2, 3, 4, 5,",
  "Der schnelle braune Fuchs springt über",
  "Monday, Tuesday, Wednesday,",
  "The quick brown fox jumps over the lazy dog. The quick brown fox",
  "A B C D E F G",
  "Roses are red, violets are blue. Roses are red, violets are",
  "January, February, March,",
  "2 + 2 = 4\n3 + 3 = 6\n4 + 4 = 8\n5 + 5 =",
  "<ul>\n<li>One</li>\n<li>Two</li>\n<li>",
  "The sun rises in the east and sets in the",
  "Water boils at 100 degrees Celsius. 🙂 Ice melts at",
];
const QUESTIONS = [
  "What is the capital of France?",
  "Count from one to ten.",
  "Write a haiku about the sea.",
  "Explain photosynthesis in one sentence.",
  "Translate to French: Good morning, how are you?",
  "Say the alphabet.",
  "List three primary colours.",
];

Deno.test({
  name: `greedy answers equal those of llama.cpp's library on the same file${noLlama}`,
  ignore: noLlama !== "",
  fn: () =>
    withFolder(async (folder) => {
      const judged = await judge(MODEL_FILE!, CLEAR, [...COMPLETIONS, ...QUESTIONS.map(chatText)]);
      await using node = await startNode(folder);
      let compared = 0;
      for (const [index, prompt] of COMPLETIONS.entries()) {
        compared += assertContinues(judged[index]!, await complete(node, prompt), prompt);
      }
      for (const [index, question] of QUESTIONS.entries()) {
        compared += await assertAnswers(judged[COMPLETIONS.length + index]!, node, question);
      }
      assert(compared >= 100, `${compared} tokens were compared, wanted 100 or more`);
    }),
});

const QWENS: readonly TinyGgufOptions[] = [
  { family: "qwen2", ropeBase: 1e6, tied: true, seed: 5 },
  { family: "qwen3", ropeBase: 1e6, headDim: 32, seed: 6 },
];

for (const qwen of QWENS) {
  Deno.test({
    name:
      `greedy answers of a tiny ${qwen.family} equal those of llama.cpp's library on the same file${noLibrary}`,
    ignore: noLibrary !== "",
    fn: () =>
      withFolder(async (folder) => {
        const file = `${folder}/tiny.gguf`;
        await writeTinyGguf(file, { ...TINY, ...qwen, blocks: 3, context: 1024 });
        const questions = [...COMPLETIONS, ...QUESTIONS];
        const judged = await judge(file, TINY_CLEAR, questions.map(userTurn));
        await using node = await startNodeOf(file, `${folder}/data`);
        let compared = 0;
        for (const [index, question] of questions.entries()) {
          compared += await assertAnswers(judged[index]!, node, question);
        }
        assert(compared >= 40, `${compared} tokens were compared, wanted 40 or more`);
      }),
  });
}

interface Step {
  readonly id: number;
  readonly text: string;
  readonly end: boolean;
}

interface Judged {
  readonly prompt: readonly number[];
  readonly steps: readonly Step[];
}

/** The number of tokens that were compared. */
function assertContinues({ prompt, steps }: Judged, completed: Completed, words: string): number {
  assertEquals(completed.promptTokens, prompt.length, words);
  const ends = steps.at(-1)?.end === true;
  const texts = steps.filter(({ end }) => !end).map(({ text }) => text);
  assertEquals(completed.tokens.slice(0, texts.length), texts, words);
  if (ends) assertEquals([completed.tokens.length, completed.finish], [texts.length, "stop"], words);
  return texts.length;
}

/** The number of tokens that were compared. */
async function assertAnswers({ prompt, steps }: Judged, node: ChatNode, question: string): Promise<number> {
  const ids = await chat(node, question);
  assertEquals(ids.slice(0, prompt.length), prompt, question);
  const said = ids.slice(prompt.length);
  const firm = steps.filter(({ end }) => !end).map(({ id }) => id);
  assertEquals(said.slice(0, firm.length), firm, question);
  return firm.length;
}

/** A turn in the words of a model's template, for what knows none. */
const userTurn = (question: string): string =>
  `<|im_start|>user\n${question}<|im_end|>\n<|im_start|>assistant\n`;

/** The same of the demo model. */
const chatText = (question: string): string =>
  "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n" +
  userTurn(question);

async function judge(file: string, clear: number, texts: readonly string[]): Promise<readonly Judged[]> {
  const script = new URL("llama_judge.mjs", import.meta.url).pathname;
  const child = new Deno.Command("node", {
    args: [script, modules, file, `${TOKENS}`, `${clear}`],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    signal: AbortSignal.timeout(180_000),
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(JSON.stringify(texts)));
  await writer.close();
  const { success, stdout, stderr } = await child.output();
  assert(success, new TextDecoder().decode(stderr));
  return JSON.parse(new TextDecoder().decode(stdout));
}

interface Asked {
  readonly url: string;
  readonly model: string;
}

async function post(url: string, body: object) {
  const answer = await fetch(url, { method: "POST", body: JSON.stringify(body) });
  assertEquals(answer.status, 200);
  return await answer.json();
}

interface Completed {
  readonly tokens: readonly string[];
  readonly finish: string;
  readonly promptTokens: number;
}

async function complete({ url, model }: Asked, prompt: string): Promise<Completed> {
  const asked = { model, prompt, max_tokens: TOKENS, temperature: 0, logprobs: 0 };
  const { choices: [choice], usage } = await post(`${url}/v1/completions`, asked);
  const { logprobs: { tokens }, finish_reason: finish } = choice;
  return { tokens, finish, promptTokens: usage.prompt_tokens };
}

/** Token ids of the question, as it was put to the model, and of the answer. */
async function chat({ url, model }: Asked, prompt: string): Promise<readonly number[]> {
  const options = { num_predict: TOKENS, temperature: 0 };
  const { context } = await post(`${url}/api/generate`, { model, prompt, options, stream: false });
  return context;
}
