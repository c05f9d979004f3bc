import { assertEquals, assertThrows } from "@std/assert";
import { NodeError } from "../../src/base/errors.ts";
import { openChatTemplate } from "../../src/model/chat_template.ts";
import { tinyTokenizerFiles } from "../support/tiny_tokenizer.ts";

const withTemplate = (template: unknown, config: Record<string, unknown> = {}) => ({
  tokenizer: {},
  config: { ...config, chat_template: template },
});

Deno.test("openChatTemplate renders ChatML with the opening of the answer", () => {
  const template = openChatTemplate(tinyTokenizerFiles(320))!;
  const messages = [{ role: "system", content: "Be brief." }, { role: "user", content: "Hi {{ not code }}" }];
  assertEquals(
    template.render(messages),
    "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi {{ not code }}<|im_end|>\n<|im_start|>assistant\n",
  );
  assertEquals(
    template.render(messages.slice(1), { addGenerationPrompt: false }),
    "<|im_start|>user\nHi {{ not code }}<|im_end|>\n",
  );
});

Deno.test("openChatTemplate gives the template the model's tokens, tools and further variables", () => {
  const source =
    "{{ bos_token }}{% if tools is not none %}{{ tools | length }} tools {% endif %}{{ mood }}{{ messages[0].content }}{{ eos_token }}";
  const template = openChatTemplate(
    withTemplate(source, { bos_token: { content: "<s>" }, eos_token: "</s>" }),
  )!;
  const messages = [{ role: "user", content: "x" }];
  assertEquals(template.knowsTools, true);
  assertEquals(template.render(messages, { tools: [] }), "<s>x</s>");
  assertEquals(
    template.render(messages, { tools: [{}, {}], variables: { mood: "glad " } }),
    "<s>2 tools glad x</s>",
  );
});

Deno.test("openChatTemplate chooses the template for tools where a model has several", () => {
  const list = [{ name: "default", template: "plain" }, { name: "tool_use", template: "with tools" }];
  const template = openChatTemplate(withTemplate(list))!;
  assertEquals(template.render([]), "plain");
  assertEquals(template.render([], { tools: [{}] }), "with tools");
});

Deno.test("a model without a template has none", () => {
  assertEquals(openChatTemplate({ tokenizer: {}, config: {} }), undefined);
  assertEquals(openChatTemplate(withTemplate([{ name: "rag", template: "x" }])), undefined);
});

Deno.test("a template that is no Jinja, and one that refuses the messages, are failures in words", () => {
  assertEquals(assertThrows(() => openChatTemplate(withTemplate("{% if %}")), NodeError).code, "unsupported");
  const strict = openChatTemplate(withTemplate("{{ raise_exception('Roles must alternate') }}"))!;
  assertEquals(assertThrows(() => strict.render([]), NodeError, "Roles must alternate").code, "usage");
});
