/**
 * Asking a model: what it refuses is told by the field that it stands in.
 *
 * @module
 */
import { NodeError } from "../../base/errors.ts";
import { together } from "../../base/together.ts";
import type { TextEvent, TextModel, TextRequest } from "../../text/types.ts";
import { partOf, type RequestPart } from "../../text/wrong_part.ts";
import { inField } from "../wrong_field.ts";

/** Fields of a route, by the part of a request that stands in them. */
export type PartFields = Readonly<Partial<Record<RequestPart, string>>>;

/** OpenAI's name for a prompt that does not fit: clients that read it shorten the conversation and ask again. */
const TOO_LONG = "context_length_exceeded";

/** The same failure with the field that it is of, where there is one. */
export function inItsField(error: unknown, fields: PartFields): unknown {
  const part = partOf(error);
  if (!(error instanceof NodeError) || part === undefined) return error;
  if (part === "length" && fields.prompt !== undefined) return inField(fields.prompt, error, TOO_LONG);
  const field = fields[part];
  return field === undefined ? error : inField(field, error);
}

/** Asks a model. What it throws names fields of the route. */
export type AskModel = (
  model: TextModel,
  request: TextRequest,
  signal: AbortSignal,
) => AsyncGenerator<TextEvent, void, void>;

/** The way in which a route asks models. */
export const askerBy = (fields: PartFields): AskModel =>
  async function* (model, request, signal) {
    try {
      yield* model.answer(request, signal);
    } catch (error) {
      throw inItsField(error, fields);
    }
  };

/** An event of one of several answers. */
export interface AnswerPart {
  /** The place of its request in the list. */
  readonly index: number;
  readonly event: TextEvent;
}

/**
 * Asks a model several things, as many at once as pays. Answers to one and the same prompt are made in turn: all but the
 * first find it taken in.
 */
export async function* askAll(
  ask: AskModel,
  model: TextModel,
  requests: readonly TextRequest[],
  signal: AbortSignal,
): AsyncGenerator<AnswerPart, void, void> {
  const alike = Map.groupBy(requests.entries(), ([, { prompt }]) => prompt);
  const inTurn = (group: readonly (readonly [number, TextRequest])[]) =>
    async function* (signal: AbortSignal): AsyncGenerator<AnswerPart, void, void> {
      for (const [index, request] of group) {
        for await (const event of ask(model, request, signal)) yield { index, event };
      }
    };
  for await (const { value } of together([...alike.values()].map(inTurn), model.atOnce, signal)) yield value;
}
