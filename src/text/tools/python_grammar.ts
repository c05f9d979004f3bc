/**
 * The grammar of calls as Python writes them: `[weather(city="Rome", days=3), clock()]`.
 *
 * @module
 */
import { choice, type Expression, type Grammar, rule, sequence, text } from "../forms/grammar_rules.ts";
import { readSchema } from "../forms/json_schema.ts";
import { argumentsOf, PYTHON_DIALECT, SchemaWriter, separated } from "../forms/schema_grammar.ts";
import type { AnswerForm } from "../types.ts";

type PythonForm = AnswerForm & { readonly kind: "python_calls" };

/** Names of functions as python_text.ts reads them. */
const FUNCTION_NAME = /^[A-Za-z_][\w.-]*$/;
const ARGUMENT_NAME = /^[A-Za-z_]\w*$/;

/**
 * Whether calls of these tools can be written so: their names and those of all arguments are names, and are known. The same
 * argument could come twice where any may, and that is no Python. The schemas must be ones that can be kept.
 */
export function canBePython(tools: PythonForm["tools"]): boolean {
  return tools.every(({ name, parameters }) => {
    const node = argumentsOf(readSchema(parameters));
    return FUNCTION_NAME.test(name) && node !== undefined &&
      node.properties.every(({ name }) => ARGUMENT_NAME.test(name));
  });
}

/** The grammar of a list of calls; {@linkcode canBePython} must be true of its tools. */
export function pythonGrammar({ tools, most }: PythonForm): Grammar {
  const writer = new SchemaWriter(PYTHON_DIALECT);
  const calls = tools.map(({ name, parameters }, i): Expression => {
    const schema = readSchema(parameters);
    writer.begin(`tool ${i} `);
    writer.define(schema.definitions);
    const { properties } = argumentsOf(schema)!;
    return sequence(
      text(`${name}(`),
      writer.members(properties, ({ name }) => text(`${name}=`)),
      text(")"),
    );
  });
  writer.rules.set("call", choice(...calls));
  writer.rules.set("root", sequence(text("["), separated(rule("call"), 1, most), text("]")));
  return { root: "root", rules: writer.rules };
}
