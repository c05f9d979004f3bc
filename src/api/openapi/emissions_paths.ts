/**
 * Routes of the Carbon Aware SDK.
 *
 * @module
 */
import { answer, failures, jsonAnswer, operation, type Part, query } from "./operation.ts";
import { COUNT, listOf, mapOf, NUMBER, type Schema, shape, TEXT } from "./schema.ts";

const TIME: Schema = { type: "string", format: "date-time" };
const problems = (...statuses: readonly number[]): Readonly<Record<number, Part>> =>
  Object.fromEntries(
    statuses.map((status) => [
      status,
      answer("What is wrong, as RFC 9457 has it.", {
        "application/problem+json": shape({
          title: TEXT,
          status: { const: status },
          "detail?": TEXT,
          errors: mapOf(listOf(TEXT)),
        }),
      }),
    ]),
  );
const refusals = failures("Error", 401, 403, 429, 500);
const LOCATIONS = query(
  "location",
  { type: "array", items: { type: "string", minLength: 1 }, minItems: 1, maxItems: 100 },
  { required: true, description: "Names of the node's zone." },
);
const LOCATION = query("location", { type: "string", minLength: 1 }, {
  required: true,
  description: "A name of the node's zone.",
});

const observed = (summary: string, location: Part): Part => ({
  get: operation({
    tag: "emissions",
    summary,
    parameters: [location, query("time", TIME), query("toTime", TIME)],
    answers: {
      200: jsonAnswer(
        "Grams for a kilowatt-hour.",
        listOf(shape({ location: TEXT, time: TIME, rating: NUMBER, duration: TEXT })),
      ),
      204: { description: "Nothing is known of that time." },
      ...problems(400, 404),
      ...refusals,
    },
  }),
});

const POINTS = listOf(shape({ location: TEXT, timestamp: TIME, duration: COUNT, value: NUMBER }));

/** By path. */
export const EMISSIONS_PATHS: Readonly<Record<string, Part>> = {
  "/emissions/bylocation": observed("The grid's carbon at one place.", LOCATION),
  "/emissions/bylocations": observed("The grid's carbon at some places.", LOCATIONS),
  "/emissions/bylocations/best": observed("The least of it.", LOCATIONS),
  "/emissions/forecasts/current": {
    get: operation({
      tag: "emissions",
      summary: "What is expected of the grid, and when it is best to work.",
      parameters: [
        LOCATIONS,
        query("dataStartAt", TIME),
        query("dataEndAt", TIME),
        query("windowSize", { type: "integer", minimum: 1, maximum: 99_999 }),
      ],
      answers: {
        200: jsonAnswer(
          "A forecast for each place.",
          listOf(shape({
            generatedAt: TIME,
            requestedAt: TIME,
            location: TEXT,
            dataStartAt: TIME,
            dataEndAt: TIME,
            windowSize: COUNT,
            optimalDataPoints: POINTS,
            forecastData: POINTS,
          })),
        ),
        ...problems(400, 404, 501),
        ...refusals,
      },
    }),
  },
};
