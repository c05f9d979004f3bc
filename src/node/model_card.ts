/**
 * What is told of a model that can be asked.
 *
 * @module
 */
import { openChatTemplate } from "../model/chat_template.ts";
import type { ModelSource, TokenizerFiles } from "../model/source.ts";
import { thinksAloud } from "../text/tools/thought_reader.ts";
import type { TextModelCard } from "../text/types.ts";

/** The card of `model`. Reads no weights. */
export async function modelCard(
  model: ModelSource,
  files: TokenizerFiles | undefined,
  runs: TextModelCard["runs"],
): Promise<TextModelCard> {
  const { architecture, tensors, id, path } = model;
  const bytesByFormat = new Map<string, number>();
  let parameters = 0;
  let bytes = 0;
  for (const tensor of tensors.values()) {
    parameters += tensor.shape.reduce((product, size) => product * size, 1);
    bytes += tensor.bytes;
    bytesByFormat.set(tensor.format, (bytesByFormat.get(tensor.format) ?? 0) + tensor.bytes);
  }
  const [most] = [...bytesByFormat].sort(([, a], [, b]) => b - a);
  const template = files && openChatTemplate(files);
  const { mtime } = await Deno.stat(path).catch(() => ({ mtime: null }));
  return {
    id,
    family: architecture.family,
    format: most?.[0] ?? "F32",
    parameters,
    bytes,
    contextLength: architecture.contextLength,
    hiddenSize: architecture.hiddenSize,
    blocks: architecture.blocks,
    createdAtSeconds: Math.floor((mtime?.getTime() ?? 0) / 1000),
    chats: template !== undefined,
    knowsTools: template?.knowsTools ?? false,
    ...(template !== undefined && thinksAloud(template) ? { thinks: true } : {}),
    runs,
  };
}
