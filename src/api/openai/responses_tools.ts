/**
 * Tools of responses: functions, by themselves or in a namespace.
 *
 * @module
 */
import * as v from "valibot";
import type { Prompt, ToolChoice, ToolDefinition } from "../../text/types.ts";
import { issueError, maybe } from "../request_body.ts";
import { fieldError } from "../wrong_field.ts";
import { ALLOWED_MODE, FUNCTION, toolOf } from "./chat_request.ts";
import { text } from "./fields.ts";

/** A tool, before it is looked into. */
export const RAW_TOOL = v.unknown();
/** A function. */
export const TOOL = v.object({ type: v.literal("function", '"function"'), ...FUNCTION.entries }, "a tool");
/** Functions that share a name before theirs, as Codex offers those of its servers. */
export const NAMESPACE = v.object({
  type: v.literal("namespace", '"namespace"'),
  name: FUNCTION.entries.name,
  tools: v.array(RAW_TOOL, "a list of tools"),
}, "a namespace");
const TYPED = v.looseObject({ type: text }, "a tool");
const NAMED = v.object({ type: v.literal("function"), name: text, namespace: maybe(text) });

/** Which tool is to be called. */
export const TOOL_CHOICE = v.union([
  v.picklist(["auto", "none", "required"]),
  NAMED,
  v.object({ type: v.literal("allowed_tools"), mode: ALLOWED_MODE, tools: v.array(TYPED) }),
], '"auto", "none", "required", a function or allowed tools');

/** What a client calls a function. */
export interface FunctionName {
  readonly name: string;
  readonly namespace?: string | undefined;
}

interface Offered extends FunctionName {
  readonly definition: ToolDefinition;
}

type Chat = Prompt & { readonly kind: "chat" };

/** What a request says of tools. */
export interface ToolsBody {
  readonly tools?: readonly unknown[] | undefined;
  readonly tool_choice?: v.InferOutput<typeof TOOL_CHOICE> | undefined;
  readonly parallel_tool_calls?: boolean | undefined;
}

/** The functions of one request: models know no namespaces, so each has a name for the model. */
export class ResponseTools {
  readonly #body: ToolsBody;
  readonly #offered: readonly Offered[];

  /** Throws `NodeError` `usage` that names a wrong tool. */
  constructor(body: ToolsBody) {
    this.#body = body;
    this.#offered = (body.tools ?? []).flatMap((tool, i) => offeredIn(tool, `tools.${i}`));
  }

  /** What the model is told. Throws `NodeError` `usage` for a choice that cannot be met. */
  forPrompt(): Pick<Chat, "tools" | "toolChoice" | "parallelToolCalls"> {
    const { tool_choice: choice, parallel_tool_calls: parallel } = this.#body;
    if (this.#offered.length === 0) {
      if (choice === undefined || choice === "auto" || choice === "none") return {};
      throw fieldError("tool_choice", "asks for a call without functions, wanted functions in tools");
    }
    const { offered, toolChoice } = this.#chosen(choice);
    return {
      tools: offered.map((one) => ({ ...one.definition, name: this.told(one) })),
      ...(toolChoice === undefined ? {} : { toolChoice }),
      ...(parallel === undefined ? {} : { parallelToolCalls: parallel }),
    };
  }

  /** The name by which the model knows a function: its own, with the namespace before it where another has it too. */
  told({ name, namespace }: FunctionName): string {
    if (namespace === undefined) return name;
    const isShared = this.#offered.some((other) => other.name === name && other.namespace !== namespace);
    return isShared ? `${namespace}__${name}` : name;
  }

  /** The function that the model calls by a name. */
  known(told: string): FunctionName {
    const found = this.#offered.find((one) => this.told(one) === told);
    return found?.namespace === undefined ? { name: told } : { name: found.name, namespace: found.namespace };
  }

  #chosen(choice: ToolsBody["tool_choice"]): {
    readonly offered: readonly Offered[];
    readonly toolChoice?: ToolChoice | undefined;
  } {
    const offered = this.#offered;
    if (typeof choice !== "object") return { offered, toolChoice: choice };
    if (choice.type === "function") {
      return { offered, toolChoice: { name: this.told(this.#find(choice, "tool_choice.name")) } };
    }
    const allowed = choice.tools.flatMap((tool, i) => {
      const { success, output } = v.safeParse(NAMED, tool);
      return success ? [this.#find(output, `tool_choice.tools.${i}.name`)] : [];
    });
    if (allowed.length > 0) return { offered: [...new Set(allowed)], toolChoice: choice.mode };
    throw fieldError("tool_choice.tools", "names no function, wanted one of the tools");
  }

  #find({ name, namespace }: FunctionName, field: string): Offered {
    const found = this.#offered.find((one) =>
      one.name === name && (namespace === undefined || one.namespace === namespace)
    );
    if (found !== undefined) return found;
    throw fieldError(field, `is "${name.slice(0, 60)}", wanted one of the tools`);
  }
}

/**
 * The functions of a tool. Tools that run elsewhere, such as a search of the web, have none: no model has to call what it
 * may, and Codex offers such tools to every server (0.171.0).
 */
function offeredIn(tool: unknown, field: string): Offered[] {
  const { type } = checked(TYPED, tool, field);
  if (type === "function") {
    const definition = toolOf(checked(TOOL, tool, field));
    return [{ name: definition.name, definition }];
  }
  if (type !== "namespace") return [];
  const { name: namespace, tools } = checked(NAMESPACE, tool, field);
  return tools.flatMap((one, i) => {
    const within = `${field}.tools.${i}`;
    if (checked(TYPED, one, within).type !== "function") return [];
    const definition = toolOf(checked(TOOL, one, within));
    return [{ name: definition.name, namespace, definition }];
  });
}

function checked<S extends v.GenericSchema>(schema: S, value: unknown, field: string): v.InferOutput<S> {
  const { success, output, issues } = v.safeParse(schema, value, { abortEarly: true });
  if (success) return output;
  throw issueError(issues[0], field);
}
