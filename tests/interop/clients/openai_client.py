"""Asks a node with OpenAI's own client. usage: openai_client.py URL MODEL KEY; one JSON object comes out."""
import json
import sys

import openai

url, model, key = sys.argv[1:]
client = openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0)
ask = {
    "model": model,
    "max_tokens": 8,
    "temperature": 0,
    "messages": [{"role": "user", "content": "What is the capital of France?"}],
}
question = {
    "model": model,
    "input": "What is the capital of France?",
    "max_output_tokens": 8,
    "temperature": 0,
}
chat = client.chat.completions
pieces, usage = [], []
for chunk in chat.create(**ask, stream=True, stream_options={"include_usage": True}):
    pieces += [choice.delta.content or "" for choice in chunk.choices]
    usage += [chunk.usage.completion_tokens] if chunk.usage else []
scores = chat.create(**ask, logprobs=True, top_logprobs=2).choices[0].logprobs.content
echoed = client.completions.create(
    model=model, prompt="The capital of France is", max_tokens=2, temperature=0, echo=True, logprobs=1
)
deltas, last = "", ""
with client.responses.create(**question, stream=True) as events:
    for event in events:
        deltas += event.delta if event.type == "response.output_text.delta" else ""
        last = event.type
floats = client.embeddings.create(model=model, input="one", encoding_format="float").data[0].embedding
decoded = client.embeddings.create(model=model, input="one").data[0].embedding
close = all(abs(a - b) < 1e-6 for a, b in zip(floats, decoded))
errors = []
for wrong, asking in [
    ({"model": "none"}, client),
    ({"temperature": 9}, client),
    ({}, client.with_options(api_key="wrong")),
]:
    try:
        asking.chat.completions.create(**{**ask, **wrong})
    except openai.APIStatusError as error:
        errors.append([error.status_code, error.param])
said = {
    "models": [one.id for one in client.models.list()],
    "whole": chat.create(**ask).choices[0].message.content,
    "pieces": pieces,
    "usage": usage,
    "scored": "".join(one.token for one in scores),
    "echoed": echoed.choices[0].text,
    "response": client.responses.create(**question).output_text,
    "events": [deltas, last],
    "floats": [close, len(floats)],
    "errors": errors,
}
print(json.dumps(said))
