/** A byte-level BPE tokenizer of 279 tokens: three control tokens, 256 bytes, 20 merges. Every text has ids. */
const CONTROL_TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"];
// deno-fmt-ignore
const MERGES = [
  "Ġ t", "h e", "i n", "Ġt he", "o u", "r e", "Ġ a", "a n", "e r", "o n",
  "Ġ i", "Ġi s", "s t", "a l", "an d", "n d", "Ġa nd", "Ġ c", "al l", "Ã ¤",
];

/** Id at which generation ends, and the one that opens a turn. */
export const TINY_END_ID = 2;
/** See {@linkcode TINY_END_ID}. */
export const TINY_START_ID = 1;
/** Fewest tokens a model needs to carry this tokenizer. */
export const TINY_VOCABULARY = CONTROL_TOKENS.length + 256 + MERGES.length;

/** ChatML, as small chat models use it. */
export const TINY_CHAT_TEMPLATE =
  "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}" +
  "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

/** GPT-2's letters for bytes: printable ones stand for themselves, the others move above 255. */
function byteLetters(): string[] {
  const printable = (byte: number) =>
    (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  let moved = 0;
  return Array.from(
    { length: 256 },
    (_, byte) => String.fromCodePoint(printable(byte) ? byte : 256 + moved++),
  );
}

/** The tables of a vocabulary of `size` tokens, as GGUF files hold them; what is left over is unused. */
export function tinyTokenizerTables(size: number) {
  if (size < TINY_VOCABULARY) {
    throw new RangeError(`A vocabulary of ${size}, wanted ${TINY_VOCABULARY} or more`);
  }
  const known = [...CONTROL_TOKENS, ...byteLetters(), ...MERGES.map((merge) => merge.replace(" ", ""))];
  const tokens = Array.from({ length: size }, (_, id) => known[id] ?? `<|unused_${id}|>`);
  const types = tokens.map((_, id) => id < CONTROL_TOKENS.length ? 3 : id < known.length ? 1 : 5);
  return { tokens, types, merges: MERGES };
}

/** The same as `tokenizer.json` and `tokenizer_config.json` of a Hugging Face folder. */
export function tinyTokenizerFiles(size: number) {
  const { tokens, merges } = tinyTokenizerTables(size);
  const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
  const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true };
  return {
    tokenizer: {
      version: "1.0",
      truncation: null,
      padding: null,
      added_tokens: CONTROL_TOKENS.map((content, id) => ({ id, content, ...flags })),
      normalizer: null,
      pre_tokenizer: byteLevel,
      post_processor: null,
      decoder: byteLevel,
      model: {
        type: "BPE",
        dropout: null,
        unk_token: null,
        continuing_subword_prefix: null,
        end_of_word_suffix: null,
        fuse_unk: false,
        byte_fallback: false,
        vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
        merges,
      },
    },
    config: {
      tokenizer_class: "PreTrainedTokenizerFast",
      clean_up_tokenization_spaces: false,
      bos_token: "<|im_start|>",
      eos_token: "<|im_end|>",
      unk_token: "<|endoftext|>",
      chat_template: TINY_CHAT_TEMPLATE,
    },
  };
}
