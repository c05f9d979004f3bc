/**
 * Which files of a Hugging Face repository a model needs.
 *
 * @module
 */

const SMALL_FILES: ReadonlySet<string> = new Set([
  "config.json",
  "generation_config.json",
  "tokenizer.json",
  "tokenizer_config.json",
  "chat_template.jinja",
  "special_tokens_map.json",
  "model.safetensors.index.json",
]);

/** Whether a file of that name belongs to a checkpoint: configuration, tokenizer, or safetensors weights. */
export const isCheckpointFile = (name: string): boolean =>
  SMALL_FILES.has(name) || /^model(-\d+-of-\d+)?\.safetensors$/.test(name);
