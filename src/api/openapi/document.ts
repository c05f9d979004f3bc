/**
 * The API as an OpenAPI 3.1 document: `/openapi.json`.
 *
 * @module
 */
import { ANTHROPIC_PATHS } from "./anthropic_paths.ts";
import { EMISSIONS_PATHS } from "./emissions_paths.ts";
import { NODE_PATHS } from "./node_paths.ts";
import { OLLAMA_PATHS } from "./ollama_paths.ts";
import { OPENAI_PATHS } from "./openai_paths.ts";
import type { Part } from "./operation.ts";
import { orNull, shape, TEXT } from "./schema.ts";

/** What of the API is there. */
export interface OpenApiOptions {
  /** Of the program. */
  readonly version: string;
  /** Whether a key must come with each request. */
  readonly wantsKey: boolean;
  /** Whether a path is answered, such as `/v1/models/{id}`. */
  readonly has: (path: string) => boolean;
}

const SCHEMAS: Part = {
  Error: shape({ error: shape({ message: TEXT, type: TEXT, param: orNull(TEXT), code: TEXT }) }),
  OllamaError: shape({ error: TEXT }),
  AnthropicError: shape({
    type: { const: "error" },
    error: shape({ type: TEXT, message: TEXT, "details?": shape({ error_code: TEXT }) }),
    request_id: TEXT,
  }),
};

/** The whole document, of the paths that are there. */
export function openApiDocument({ version, wantsKey, has }: OpenApiOptions): object {
  const paths = {
    ...NODE_PATHS,
    ...EMISSIONS_PATHS,
    ...OPENAI_PATHS,
    ...ANTHROPIC_PATHS,
    ...OLLAMA_PATHS,
  };
  return {
    openapi: "3.1.0",
    info: {
      title: "kwaainet",
      version,
      description:
        "The local API of a node: its own figures, and text by the routes of OpenAI, Anthropic and Ollama.",
      license: { name: "MIT", identifier: "MIT" },
    },
    ...(wantsKey ? { security: [{ bearer: [] }, { apiKey: [] }] } : {}),
    paths: Object.fromEntries(Object.entries(paths).filter(([path]) => has(path))),
    components: {
      schemas: SCHEMAS,
      securitySchemes: {
        bearer: { type: "http", scheme: "bearer" },
        apiKey: { type: "apiKey", in: "header", name: "x-api-key" },
      },
    },
  };
}
