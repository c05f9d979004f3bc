import { assert, assertEquals, assertThrows } from "@std/assert";
import { Ajv } from "ajv";
import { Ajv2020 } from "ajv/2020";
import { NodeError } from "../../../src/base/errors.ts";
import { type ChatMessage, openChatTemplate } from "../../../src/model/chat_template.ts";
import { seededDraw } from "../../../src/text/sample.ts";
import { toolPlan } from "../../../src/text/tools/tools.ts";
import type { Prompt, ToolDefinition } from "../../../src/text/types.ts";
import { TINY_CHAT_TEMPLATE } from "../../support/tiny_tokenizer.ts";
import { fakeWorld } from "../../support/world.ts";
import { accepts, formModel, walk } from "../forms/form_walk.ts";
import { clock, weather } from "./read_calls.ts";

type Chat = Prompt & { readonly kind: "chat" };

const template = (source: string) => openChatTemplate({ tokenizer: {}, config: { chat_template: source } })!;
/** A template that tells tools, calls and results; `call` prints one call. */
const knowing = (marks: string, call: string) =>
  template(
    `{% if tools %}{{ '[tools]' + (tools | tojson) }}{% endif %}{# ${marks} #}` +
      `{% for m in messages %}{{ '[' + m.role + ']' }}{% if m.content %}{{ m.content }}{% endif %}` +
      `{% if m.tool_calls %}{% for c in m.tool_calls %}${call}{% endfor %}{% endif %}` +
      `{% if m.role == 'tool' %}{{ '=' + m.tool_call_id }}{% endif %}{% endfor %}`,
  );
const hermes = knowing("{{ '<tool_call>' }}", "{{ c.function.name }}{{ c.function.arguments | tojson }}");
const mistral = knowing(
  "[TOOL_CALLS]",
  "{% if c.id | length != 9 %}{{ raise_exception('ids have 9 letters') }}{% endif %}{{ c.id + c.function.name }}",
);
const mistral11 = knowing(
  "[TOOL_CALLS]name[CALL_ID]id[ARGS]",
  "{% if c.id | length != 9 %}{{ raise_exception('ids have 9 letters') }}{% endif %}" +
    "{{ '[TOOL_CALLS]' + c.function.name + '[CALL_ID]' + c.id + '[ARGS]' + (c.function.arguments | tojson) }}",
);
const ministral = knowing(
  "[TOOL_CALLS]name[ARGS]",
  "{% set given = c.function.arguments %}{% if given is not string %}{% set given = given | tojson %}{% endif %}" +
    "{{ '[TOOL_CALLS]' + c.function.name + '[ARGS]' + given }}",
);
const granite = knowing("<|tool_call|>", "{{ c.function.name }}");
const functionary = knowing("<function=name>", "{{ c.function.name }}");
const coder = knowing("<tool_call><function=name><parameter=key>", "{{ c.function.name }}");
const llama = knowing(
  "<|python_tag|>",
  "{% if m.tool_calls | length != 1 %}{{ raise_exception('one call') }}{% endif %}{{ c.function.name }}",
);
const pythonic = knowing(
  "[func_name1(params_name1=params_value1), func_name2(params)]",
  "{{ c.function.name }}",
);
const deepSeek = knowing("<｜tool▁calls▁begin｜>", "{{ c.function.name }}");
const deepSeekR1 = knowing("<｜tool▁calls▁begin｜>\n```json", "{{ c.function.name }}");
/** As Functionary 3.2's: it puts arguments together as text, and opens the model's turn. */
const recipients = template(
  "{% if tools %}{{ tools | tojson }}{% endif %}{% for m in messages %}{{ '[' + m.role + ']' }}" +
    "{% if m.role == 'tool' %}{{ m.content }}{% elif m.role == 'assistant' %}" +
    "{% if m.content %}{{ '>>>all\\n' + m.content }}{% endif %}" +
    "{% for c in m.tool_calls or [] %}{{ '>>>' + c.function.name + '\\n' + c.function.arguments }}{% endfor %}" +
    "{% else %}{{ m.content }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '[assistant]>>>' }}{% endif %}",
);
const plain = template(TINY_CHAT_TEMPLATE);

const chat = (more: Partial<Chat> = {}): Chat => ({
  kind: "chat",
  messages: [{ role: "user", content: "Hi" }],
  tools: [weather, clock],
  ...more,
});
const history: ChatMessage[] = [
  { role: "user", content: "And now?" },
  {
    role: "assistant",
    content: null,
    tool_calls: [
      {
        id: "call_0123456789ab",
        type: "function",
        function: { name: "weather", arguments: '{"city":"Rome"}' },
      },
      { id: "call_b", type: "function", function: { name: "clock", arguments: "" } },
    ],
  },
  { role: "tool", tool_call_id: "call_0123456789ab", content: "sunny" },
  { role: "tool", tool_call_id: "call_b", content: "noon" },
  { role: "user", content: "Thanks" },
];

Deno.test("toolPlan hands tools to a template that knows them, in OpenAI's form", () => {
  const { messages, tools, calls, form } = toolPlan(fakeWorld(), hermes, chat());
  assertEquals(messages, chat().messages);
  assertEquals(tools[0], {
    type: "function",
    function: { name: "weather", description: "Tells the weather", parameters: weather.parameters },
  });
  assert(calls !== undefined && form === undefined);
  assert(hermes.render(messages, { tools }).startsWith("[tools]"));
});

Deno.test("toolPlan tells tools in a system message where the template knows none", () => {
  const { messages, tools, calls } = toolPlan(fakeWorld(), plain, chat());
  assertEquals([tools, messages.length, messages[0]!.role, calls !== undefined], [[], 2, "system", true]);
  const text = plain.render(messages);
  for (const word of ["weather", "Tells the weather", '"city"', "clock", "<tool_call>"]) {
    assert(text.includes(word), word);
  }
  const own = { role: "system", content: "Be brief." };
  const merged = toolPlan(fakeWorld(), plain, chat({ messages: [own, ...chat().messages] })).messages;
  assertEquals(merged.length, 2);
  assert(merged[0]!.content!.startsWith("Be brief.\n\n"));
  const noSystem = template(
    "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('none') }}{% endif %}{{ m.content }}{% endfor %}",
  );
  const asUser = toolPlan(fakeWorld(), noSystem, chat()).messages;
  assertEquals(asUser.map(({ role }) => role), ["user"]);
  assert(asUser[0]!.content!.endsWith("\n\nHi"));
});

Deno.test("toolPlan tells no tools and reads no calls where none may come", () => {
  for (const more of [{ tools: [] }, { toolChoice: "none" as const }]) {
    for (const model of [hermes, plain]) {
      const { messages, tools, calls, form } = toolPlan(fakeWorld(), model, chat(more));
      assertEquals([messages, tools, calls, form], [chat().messages, [], undefined, undefined]);
    }
  }
});

Deno.test("toolPlan gives calls and results to templates as they want them", () => {
  const asHermes = toolPlan(fakeWorld(), hermes, chat({ messages: history })).messages;
  const text = hermes.render(asHermes);
  assert(text.includes('weather{"city": "Rome"}clock{}'), text);
  assert(text.includes("[tool]sunny=call_0123456789ab"), text);
  const short = mistral.render(toolPlan(fakeWorld(), mistral, chat({ messages: history })).messages);
  assert(short.includes("3456789abweather") && short.includes("sunny=3456789ab"), short);
  const named = mistral11.render(toolPlan(fakeWorld(), mistral11, chat({ messages: history })).messages);
  const call =
    '[TOOL_CALLS]weather[CALL_ID]3456789ab[ARGS]{"city": "Rome"}[TOOL_CALLS]clock[CALL_ID]0000callb[ARGS]{}';
  assert(named.includes(`${call}[tool]sunny=3456789ab[tool]noon=0000callb`), named);
  const newest = ministral.render(toolPlan(fakeWorld(), ministral, chat({ messages: history })).messages);
  assert(newest.includes('[TOOL_CALLS]weather[ARGS]{"city": "Rome"}[TOOL_CALLS]clock[ARGS]{}'), newest);
  const single = llama.render(toolPlan(fakeWorld(), llama, chat({ messages: history })).messages);
  const together = recipients.render(
    toolPlan(fakeWorld(), recipients, chat({ messages: history })).messages,
  );
  assert(together.includes('[assistant]>>>weather\n{"city":"Rome"}>>>clock\n{}[tool]sunny'), together);
  assertEquals(
    single,
    "[user]And now?[assistant]weather[tool]sunny=call_0123456789ab[assistant]clock[tool]noon=call_b[user]Thanks",
  );
});

Deno.test("toolPlan puts calls and results into plain turns where the template knows none", () => {
  const { messages } = toolPlan(fakeWorld(), plain, chat({ messages: history, tools: [] }));
  assertEquals(messages.map(({ role }) => role), ["user", "assistant", "user"]);
  assertEquals(
    messages[1]!.content,
    '<tool_call>\n{"name":"weather","arguments":{"city":"Rome"}}\n</tool_call>\n' +
      '<tool_call>\n{"name":"clock","arguments":{}}\n</tool_call>',
  );
  assertEquals(
    messages[2]!.content,
    "<tool_response>\nsunny\n</tool_response>\n<tool_response>\nnoon\n</tool_response>\nThanks",
  );
  assert(!plain.render(messages).includes("null"));
});

Deno.test("toolPlan tells calls as tools were told, where a template has a place for calls and none for tools", () => {
  // as DeepSeek R1's distilled Llamas: it puts arguments together as text
  const distilled = template(
    "{% for m in messages %}{{ '[' + m.role + ']' }}{% if m.content %}{{ m.content }}{% endif %}" +
      "{% if m.tool_calls %}{% for c in m.tool_calls %}{{ c.function.name + c.function.arguments }}{% endfor %}{% endif %}" +
      "{% if m.role == 'tool' %}{{ 'result' }}{% endif %}{% endfor %}",
  );
  const text = distilled.render(toolPlan(fakeWorld(), distilled, chat({ messages: history })).messages);
  const call = '<tool_call>\n{"name":"weather","arguments":{"city":"Rome"}}\n</tool_call>';
  assert(text.includes(call) && text.includes("<tool_response>\nsunny\n</tool_response>"), text);
});

Deno.test("toolPlan refuses tools and choices that cannot be", () => {
  const refused: Partial<Chat>[] = [
    { tools: [clock, clock] },
    { tools: [{ name: "" }] },
    { tools: Array.from({ length: 200 }, (_, i) => ({ name: `t${i}` })) },
    { toolChoice: { name: "other" } },
    { tools: [], toolChoice: "required" },
  ];
  for (const more of refused) {
    const error = assertThrows(() => toolPlan(fakeWorld(), hermes, chat(more)), NodeError);
    assertEquals(error.code, "usage");
  }
});

Deno.test("a forced call is read back by the parser, its arguments by their schema", async () => {
  const model = formModel();
  const validate = new Ajv({ strict: false }).compile({ ...weather.parameters });
  const families = [hermes, mistral, mistral11, ministral, granite, functionary, coder, llama, plain];
  for (const family of [...families, pythonic, deepSeek, deepSeekR1, recipients]) {
    for (const toolChoice of ["required" as const, { name: "weather" }]) {
      const { form } = toolPlan(fakeWorld(), family, chat({ toolChoice }));
      assert(form !== undefined);
      for (let seed = 0; seed < 4; seed++) {
        const ending = family === coder ? "\n</parameter>\n" : "";
        const { text, isWhole } = await walk(model, form, { draw: seededDraw(seed), soon: 70, ending });
        assert(isWhole, text);
        const { calls } = toolPlan(fakeWorld(), family, chat({ toolChoice }));
        const found = [...calls!.push(text).calls];
        assertEquals([calls!.finish().text, found.length > 0], ["", true], text);
        for (const { name, arguments: given } of found) {
          if (toolChoice !== "required") assertEquals(name, "weather");
          const value = JSON.parse(given);
          if (name === "clock") assertEquals(value, {});
          else {
            // minLength and minimum are not kept: what a tool's schema says beyond is for the model to read
            const loose = { ...value, city: value.city === "" ? "-" : value.city, days: 1 };
            assert(typeof value.city === "string" && validate(loose), given);
          }
        }
      }
    }
  }
});

Deno.test("a forced call of a strict tool keeps all that its schema says, beside others that are not", async () => {
  const model = formModel();
  const parameters = {
    type: "object",
    properties: {
      code: { type: "string", pattern: "^[A-Z]{3}$" },
      days: { type: "integer", minimum: 3, exclusiveMaximum: 9 },
      on: { $ref: "#/$defs/day" },
      // a key that is named as a keyword, and a value that looks like a reference
      items: { const: { $ref: "#/$defs/day" } },
    },
    required: ["code", "days", "on", "items"],
    additionalProperties: false,
    $defs: { day: { type: "string", format: "date" } },
  };
  const trip: ToolDefinition = { name: "trip", parameters, strict: true };
  const validate = new Ajv2020({ strict: false, formats: { date: /^\d{4}-\d\d-\d\d$/ } }).compile(parameters);
  const families = [hermes, mistral, mistral11, ministral, granite, functionary, llama, plain];
  for (const family of [...families, deepSeek, deepSeekR1, recipients, pythonic]) {
    const asked = chat({ toolChoice: { name: "trip" }, tools: [weather, trip, clock] });
    const { form, calls } = toolPlan(fakeWorld(), family, asked);
    const { text, isWhole } = await walk(model, form!, { draw: seededDraw(1), soon: 90 });
    const found = [...calls!.push(text).calls, ...calls!.finish().calls];
    assert(isWhole && found.length > 0, text);
    for (const { name, arguments: given } of found) {
      assertEquals([name, validate(JSON.parse(given))], ["trip", true], text);
    }
  }
});

Deno.test("a strict tool whose schema cannot be kept is forced as any other", () => {
  const parameters = { type: "object", properties: { list: { type: "array", uniqueItems: true } } };
  for (const family of [hermes, pythonic, coder, functionary]) {
    const [strict, loose] = [true, false].map((strict) =>
      toolPlan(
        fakeWorld(),
        family,
        chat({ tools: [{ name: "f", parameters, strict }], toolChoice: "required" }),
      ).form
    );
    assert(strict !== undefined);
    assertEquals(strict, loose);
  }
});

Deno.test("a forced call stands in the words of the model's family", async () => {
  const model = formModel();
  const given = '{"city":"Rome"}';
  const forms = [
    [hermes, `<tool_call>\n{"name":"weather","arguments":${given}}\n</tool_call>`],
    [mistral, `[TOOL_CALLS][{"name":"weather","arguments":${given}},{"name":"clock","arguments":{}}]`],
    [mistral11, `[TOOL_CALLS]weather[CALL_ID]000000000[ARGS]${given}`],
    [ministral, `[TOOL_CALLS]weather[ARGS]${given}`],
    [granite, `<|tool_call|>[{"name":"weather","arguments":${given}}]`],
    [functionary, `<function=weather>${given}</function>`],
    [
      coder,
      "<tool_call>\n<function=weather>\n<parameter=city>\nRome\n</parameter>\n<parameter=days>\n3\n</parameter>\n" +
      "</function>\n</tool_call>",
    ],
    [llama, `{"name":"weather","parameters":${given}}`],
    [recipients, `weather\n${given}`],
    [pythonic, `[weather(city="Rome")]`],
    [pythonic, `[weather(city='Rome', days=3), clock()]`],
    [
      deepSeek,
      `<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>weather<｜tool▁sep｜>${given}<｜tool▁call▁end｜><｜tool▁calls▁end｜>`,
    ],
    [
      deepSeekR1,
      "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>weather\n```json\n" +
      `${given}\n\`\`\`<｜tool▁call▁end｜><｜tool▁calls▁end｜>`,
    ],
  ] as const;
  for (const [family, text] of forms) {
    const { form } = toolPlan(fakeWorld(), family, chat({ toolChoice: "required" }));
    assert(await accepts(model, form!, text), text);
    const named = toolPlan(fakeWorld(), family, chat({ toolChoice: { name: "clock" } }));
    assert(!await accepts(model, named.form!, text), text);
  }
});

Deno.test("a tool whose name needs quotes is forced in JSON, whatever the family", async () => {
  const model = formModel();
  const tools = [{ name: "a [b]>{" }];
  for (const family of [mistral11, ministral, functionary, pythonic, deepSeek, deepSeekR1]) {
    const { form, calls } = toolPlan(fakeWorld(), family, chat({ tools, toolChoice: "required" }));
    const { text } = await walk(model, form!, { draw: seededDraw(1), soon: 1 });
    assertEquals(calls!.push(text).calls[0]?.name, "a [b]>{", text);
  }
});

Deno.test("a tool whose schema cannot be kept is forced with any object", async () => {
  const model = formModel();
  for (
    const parameters of [{ $ref: "https://example.org" }, { type: "string" }, { properties: 1 }, {
      $ref: "#/none",
    }]
  ) {
    const tools = [{ name: "odd", parameters }];
    const { form } = toolPlan(fakeWorld(), llama, chat({ tools, toolChoice: "required" }));
    assert(await accepts(model, form!, '{"name":"odd","parameters":{"x":[1]}}'), JSON.stringify(parameters));
    const list = toolPlan(fakeWorld(), pythonic, chat({ tools, toolChoice: "required" })).form;
    assert(await accepts(model, list!, '{"name":"odd","arguments":{"x":[1]}}'), JSON.stringify(parameters));
    const named = toolPlan(fakeWorld(), ministral, chat({ tools, toolChoice: "required" })).form;
    assert(await accepts(model, named!, '[TOOL_CALLS]odd[ARGS]{"x":[1]}'), JSON.stringify(parameters));
  }
});

Deno.test("only a template that tells of a list of calls is taken for one that writes Python", async () => {
  const model = formModel();
  const isPython = async (words: string) => {
    const { form } = toolPlan(fakeWorld(), knowing(words, ""), chat({ toolChoice: "required" }));
    return await accepts(model, form!, "[clock()]");
  };
  for (const words of ["[func_name1(param1=value1, …)]", 'Use [get_weather(city="Rome")]']) {
    assert(await isPython(words));
  }
  for (const words of ["[namespace(a=b)]", "[f(x)]", "f(x=y)", "<tool_call> [f(x=y)]"]) {
    assert(!await isPython(words), words);
  }
});

Deno.test("the name of who an answer is for is no text, also where no tool may be called", () => {
  for (const more of [{ tools: [] }, { toolChoice: "none" as const }, {}]) {
    const { calls } = toolPlan(fakeWorld(), recipients, chat(more));
    assertEquals(calls!.push("all\nHello").text + calls!.finish().text, "Hello");
  }
  const { calls } = toolPlan(fakeWorld(), recipients, chat());
  assertEquals(calls!.push('weather\n{"city":"Rome"}').calls.map(({ name }) => name), ["weather"]);
});
