/**
 * The grammar of a call with a tag for each argument, as call_xml.ts reads it (Qwen3-Coder).
 *
 * @module
 */
import { CALL_TAGS } from "./call_style.ts";
import { FUNCTION_CLOSER, FUNCTION_OPENER, PARAMETER_CLOSER, PARAMETER_OPENER, typesOf } from "./call_xml.ts";
import {
  choice,
  type Expression,
  type Grammar,
  letterBut,
  repeat,
  rule,
  sequence,
  text,
} from "../forms/grammar_rules.ts";
import { type ReadSchema, readSchema, type SchemaNode } from "../forms/json_schema.ts";
import type { LetterRange } from "../forms/letter_set.ts";
import { argumentsOf, followed, SchemaWriter, TAG_DIALECT } from "../forms/schema_grammar.ts";
import type { AnswerForm } from "../types.ts";

type TagForm = AnswerForm & { readonly kind: "tag_calls" };

/** Names that end where a tag does. */
const PLAIN_NAME = /^[^\s<>\0]{1,200}$/;
/**
 * What no text between tags may hold: what ends it, or the beginning of that. Each letter is a place of the grammar where
 * nearly any token may come: 8 ms of preparing with 49,152 tokens.
 */
const ENDS = ["</param", "\n<param", "\n</func"];

/** Whether calls of these tools can be written so that they are read back as they are. The schemas must be ones that can be kept. */
export function canBeTags(tools: TagForm["tools"]): boolean {
  return tools.every(({ name, parameters, offered }) => {
    const schema = readSchema(parameters);
    const node = argumentsOf(schema);
    return PLAIN_NAME.test(name) && node !== undefined && node.properties.every(({ name, value }) => {
      const types = typesOf(offered, name);
      return PLAIN_NAME.test(name) && (!isText(types) || textsOf(value, { schema, types }).length > 0);
    });
  });
}

/** The grammar of one call; {@linkcode canBeTags} must be true of its tools. */
export function tagGrammar({ tools }: TagForm): Grammar {
  const writer = new SchemaWriter(TAG_DIALECT);
  const calls = tools.map((tool, i): Expression => {
    writer.begin(`tool ${i} `);
    return callOf(writer, tool);
  });
  const before = text(`${CALL_TAGS.open}\n${FUNCTION_OPENER}`);
  const after = text(`${FUNCTION_CLOSER}\n${CALL_TAGS.close}`);
  writer.rules.set("root", sequence(before, choice(...calls), after));
  return { root: "root", rules: writer.rules };
}

/** The name and the parameters in the order of their schema; those that are not required may be left out. */
function callOf(writer: SchemaWriter, { name, parameters, offered }: TagForm["tools"][number]): Expression {
  const schema = readSchema(parameters);
  writer.define(schema.definitions);
  let rest: Expression = text("");
  for (const { name, value, isRequired } of argumentsOf(schema)!.properties.toReversed()) {
    const types = typesOf(offered, name);
    const written = isText(types)
      ? choice(
        ...textsOf(value, { schema, types }).map((one) => one === ANY_TEXT ? anyText(writer) : text(one)),
      )
      : writer.value(value);
    const taken = sequence(
      text(`${PARAMETER_OPENER}${name}>\n`),
      written,
      text(`\n${PARAMETER_CLOSER}\n`),
      rest,
    );
    rest = writer.named(isRequired ? taken : choice(taken, rest));
  }
  return sequence(text(`${name}>\n`), rest);
}

/** As call_xml.ts decides. */
const isText = (types: ReadonlySet<string>) => types.size === 0 || types.has("string");

const ANY_TEXT = Symbol("any text");

/** The texts that a value may be. */
function textsOf(
  node: SchemaNode,
  of: { readonly schema: ReadSchema; readonly types: ReadonlySet<string> },
): readonly (string | typeof ANY_TEXT)[] {
  const found = followed(node, of.schema);
  if (found?.kind === "choice") return found.options.flatMap((option) => textsOf(option, of));
  if (found?.kind === "any" || (found?.kind === "scalar" && found.type === "string")) return [ANY_TEXT];
  if (found?.kind !== "literals") return [];
  return found.texts.map((json): unknown => JSON.parse(json)).filter((value) =>
    typeof value === "string" && !/[<\0]/.test(value) &&
    // where there may be none, these words are none
    !(of.types.has("null") && ["null", "None"].includes(value.trim()))
  ) as string[];
}

/** Any text that holds none of what ends it, and is none of it behind the line's end that stands before. */
function anyText(writer: SchemaWriter): Expression {
  const nameOf = (state: string) => `text ${JSON.stringify(state)}`;
  const start = nameOf("\n");
  if (!writer.rules.has(start)) {
    for (const [state, body] of textStates(nameOf)) writer.rules.set(nameOf(state), body);
  }
  return rule(start);
}

/** A rule for each beginning of an end that a text may have come to (Aho and Corasick's automaton). */
function textStates(nameOf: (state: string) => string): ReadonlyMap<string, Expression> {
  const states = new Set([
    "",
    ...ENDS.flatMap((end) => Array.from(end.slice(1), (_, i) => end.slice(0, i + 1))),
  ]);
  const letters = [...new Set(ENDS.join(""))];
  const behind = (text: string): string => {
    for (let at = 0; at < text.length; at++) if (states.has(text.slice(at))) return text.slice(at);
    return "";
  };
  return new Map([...states].map((state) => {
    const special = letters.filter((letter) => isEnd(state + letter) || behind(state + letter) !== "");
    const ranges = [0, ...special.map((letter) => letter.charCodeAt(0))].map((
      code,
    ): LetterRange => [code, code]);
    const other = letterBut(...ranges);
    // what repeats by itself is cheap, so the usual state does
    const [lead, usual] = state === ""
      ? [[repeat(other, 0)], repeat(other, 0)]
      : [[], sequence(other, rule(nameOf("")))];
    const options = special.filter((letter) => !isEnd(state + letter)).map((letter) =>
      sequence(...lead, text(letter), rule(nameOf(behind(state + letter))))
    );
    return [state, choice(text(""), ...options, usual)];
  }));
}

const isEnd = (text: string) => ENDS.some((end) => text.endsWith(end));
