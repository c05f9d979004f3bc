#!/usr/bin/env python3
"""Golden token ids: tests/vectors/tokens.json.

Small tokenizers are trained here with the packages tokenizers (byte-level BPE, one for each way to cut words) and sentencepiece
(BPE with byte fallback); their tables stand in the file as a GGUF file would hold them, with the ids these packages give to texts
in many scripts. With --smollm2 the ids of SmolLM2's own tokenizer are added, without its tables.

Usage: make_tokens.py OUT.json [--smollm2 FOLDER_WITH_TOKENIZER_JSON]    (tokenizers, sentencepiece)
"""
import argparse
import io
import json
import os

import sentencepiece
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

TRAINING = [
    "The capital of Italy is Rome. The quick brown fox jumps over the lazy dog, isn't it? I'm sure they've seen 1234567 of them.",
    "def main():\n    for i in range(10):\n        print(f'{i}: {i ** 2}')\n\n\nif __name__ == '__main__':\n    main()\n",
    "Die Größe des Straßencafés überrascht: Füße, Öl, Äpfel. Он сказал: привет, мир! 今日は世界。你好世界 مرحبا بالعالم नमस्ते दुनिया",
    "HELLO World helloWorld HTTPServer x1 y22 z333 3.14159 1,000,000 $5 #tag @name http://example.org/a?b=c&d=e \t tabs\r\nlines",
] * 4
TEXTS = [
    "", " ", "  ", "a", " a", "a ", "Hello, world!", "The capital of Italy is", "isn't I'm they've WE'LL it'S", "  two  spaces   three    four",
    "trailing   ", "\n", "\n\n", " \n \n", "\r\n", "tab\tand\ttabs\t\t", "line one\nline two\n\n  indented", "1", "12", "123", "1234", "12345678901234567890",
    "3.14 and 1,000,000", "x1y22z333", "v1.2.3-rc4", "ABC abc AbC aBc HTTPServer helloWorldFooBar", "def f(x):\n    return x ** 2  # square\n",
    "{\"key\": [1, 2.5, null], \"b\": true}", "<div class=\"a\">&amp;</div>", "a/b\\c|d~e`f^g", "!!!???...,,,;;;", "(((nested)))[[]]{{}}", "$100 €50 £20 ¥5 ₿1",
    "Größe Straße Füße Äpfel", "naïve café déjà vu", "привет, мир! Ёж", "今日は世界", "東京タワーは333メートルです。", "你好，世界！", "안녕하세요 세계", "مرحبا بالعالم ١٢٣", "שלום עולם", "नमस्ते दुनिया १२३", "สวัสดีชาวโลก",
    "🙂", "🙂🙃😀", "👩‍👩‍👧‍👦 family", "🇩🇪🇯🇵", "❤️ ✨", "e\u0301 combining", "a\u0308o\u0308 u\u0308", "ﬁ ligature", "½ ² ³ ① Ⅷ", "zero\u200bwidth\u200djoiner", "no\u00a0break\u2003em", "\ufeffbom", "\u0000 nul \u0007 bell", "math: ∑∫√∞ ≤≥ ∀x∈ℝ",
    "𝒳𝓎𝓏 𝔘𝔫𝔦", "mixed日本語and英語text", "'quoted' \"double\" ‘curly’ “double curly”", "a" * 40, "ab" * 30, "the the the the", "supercalifragilisticexpialidocious",
]
CONTROL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
WITH_CONTROL = ["<|im_start|>user\nHi<|im_end|>\n", "a<|endoftext|>b", "<|im_end|><|im_end|>", "<|im_start", "x <|im_start|> y"]

CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
LLAMA3 = CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2 = CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
TEKKEN = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)"


def split_by(*expressions):
    bytes_of_words = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return pre_tokenizers.Sequence([*(pre_tokenizers.Split(Regex(expression), "isolated") for expression in expressions), bytes_of_words])


# As the models' own tokenizer.json files have it
PRE_TOKENIZERS = {
    "gpt-2": pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
    "smollm": pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)]),
    "llama-bpe": split_by(LLAMA3),
    "qwen2": split_by(QWEN2),
    "tekken": split_by(TEKKEN),
    "deepseek-coder": split_by(r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[一-龥ࠀ-一가-\ud7ff]+", r"\p{N}"),
    # What llama.cpp does for files that name no way
    "default": split_by(r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", r"[0-9][0-9][0-9]"),
}


def byte_level(pre):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = PRE_TOKENIZERS[pre]
    tokenizer.decoder = decoders.ByteLevel()
    if pre == "qwen2":
        tokenizer.normalizer = normalizers.NFC()
    trainer = trainers.BpeTrainer(vocab_size=420, special_tokens=CONTROL, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    tokenizer.train_from_iterator(TRAINING, trainer)
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in CONTROL])
    model = json.loads(tokenizer.to_str())["model"]
    tokens = [tokenizer.id_to_token(i) for i in range(tokenizer.get_vocab_size())]
    return {
        "model": "gpt2",
        "pre": pre,
        "tokens": tokens,
        "types": [3 if token in CONTROL else 1 for token in tokens],
        "merges": [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]],
        "cases": cases_of(tokenizer, TEXTS + WITH_CONTROL),
    }


def cases_of(tokenizer, texts):
    ids = [tokenizer.encode(text).ids for text in texts]
    return [[text, row, tokenizer.decode(row, skip_special_tokens=True)] for text, row in zip(texts, ids)]


def sentence_piece():
    model = io.BytesIO()
    lines = [line for text in TRAINING for line in text.split("\n") if line]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_writer=model, vocab_size=520, model_type="bpe", byte_fallback=True, character_coverage=0.98,
        normalization_rule_name="identity", remove_extra_whitespaces=False, split_digits=True, allow_whitespace_only_pieces=True, minloglevel=2,
    )
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    pieces = range(processor.get_piece_size())
    kind = lambda i: 2 if processor.is_unknown(i) else 3 if processor.is_control(i) else 6 if processor.is_byte(i) else 1
    rows = [processor.encode(text) for text in TEXTS]
    return {
        "model": "llama",
        "tokens": [processor.id_to_piece(i) for i in pieces],
        "types": [kind(i) for i in pieces],
        "scores": [processor.get_score(i) for i in pieces],
        "cases": [[text, row, processor.decode(row)] for text, row in zip(TEXTS, rows)],
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out")
    parser.add_argument("--smollm2", metavar="FOLDER")
    args = parser.parse_args()
    vectors = {"tokenizers": [*map(byte_level, PRE_TOKENIZERS), sentence_piece()]}
    if args.smollm2:
        with open(os.path.join(args.smollm2, "tokenizer.json"), encoding="utf-8") as file:
            vectors["smollm2"] = cases_of(Tokenizer.from_str(file.read()), TEXTS + WITH_CONTROL + TRAINING[:4])
    with open(args.out, "w", encoding="utf-8") as file:
        json.dump(vectors, file, ensure_ascii=True, separators=(",", ":"))


if __name__ == "__main__":
    main()
