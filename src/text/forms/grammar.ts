/**
 * Answers that have to keep a form: which tokens may come next.
 *
 * @module
 */
import type { World } from "../../base/world.ts";
import type { FormLink, FormTokens } from "./form_messages.ts";
import { FormThread } from "./form_thread.ts";
import { openFormWorker } from "./form_worker.ts";
import { readGbnf } from "./gbnf.ts";
import { checkGrammar, type Grammar } from "./grammar_rules.ts";
import { grammarText } from "./grammar_text.ts";
import { readSchema } from "./json_schema.ts";
import { openKeptForm } from "./kept_form.ts";
import { OnDemand } from "../on_demand.ts";
import type { Constraint } from "../pick.ts";
import { pythonGrammar } from "../tools/python_grammar.ts";
import { readRegex } from "./regex_grammar.ts";
import { anyObjectGrammar, schemaGrammar } from "./schema_grammar.ts";
import { tagGrammar } from "../tools/tag_grammar.ts";
import type { AnswerForm } from "../types.ts";

/** Forms for one model. Nothing is loaded before the first of them. Dispose to end the thread that keeps them. */
export interface Forms extends AsyncDisposable {
  /** Opens a form to be kept. Throws `NodeError` `usage` for a form with a mistake in it. */
  constrain(form: AnswerForm, signal: AbortSignal): Promise<Constraint>;
}

/**
 * Forms over a model's tokens, which are asked for with the first form. They are kept in a thread of their own, which ends
 * ten minutes after the last of them; `openLink` stands for another one.
 */
export function openForms(
  world: World,
  tokens: () => FormTokens,
  openLink: () => FormLink = openFormWorker,
): Forms {
  return new ThreadForms(world, tokens, openLink);
}

/** The grammar of a form, checked. Throws `NodeError` `usage`. */
export function grammarOf(form: AnswerForm): Grammar {
  const grammar = readForm(form);
  checkGrammar(grammar);
  return grammar;
}

function readForm(form: AnswerForm): Grammar {
  switch (form.kind) {
    case "json":
      return anyObjectGrammar();
    case "schema":
      return schemaGrammar(readSchema(form.schema), form);
    case "python_calls":
      return pythonGrammar(form);
    case "tag_calls":
      return tagGrammar(form);
    case "grammar":
      return readGbnf(form.grammar);
    case "regex":
      return readRegex(form.pattern);
  }
}

class ThreadForms implements Forms {
  readonly #thread: OnDemand<FormThread>;

  constructor(world: World, tokens: () => FormTokens, openLink: () => FormLink) {
    this.#thread = new OnDemand(world, () => Promise.resolve(new FormThread(world, tokens(), openLink)));
  }

  async constrain(form: AnswerForm, signal: AbortSignal): Promise<Constraint> {
    const words = grammarText(grammarOf(form));
    const hasMarks = "hasMarks" in form && form.hasMarks === true;
    return await openKeptForm(await this.#thread.borrow(signal), { words, hasMarks }, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#thread[Symbol.asyncDispose]();
  }
}
