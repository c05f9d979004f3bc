"""Asks a node with Ollama's own client. usage: ollama_client.py URL MODEL; one JSON object comes out."""
import json
import sys

import ollama

url, model = sys.argv[1:]
client = ollama.Client(host=url)
ask = {"model": model, "options": {"temperature": 0, "num_predict": 8}}
turn = [{"role": "user", "content": "What is the capital of France?"}]
said = {
    "names": [m.model for m in client.list().models],
    "capabilities": client.show(model).capabilities,
    "whole": client.chat(messages=turn, **ask).message.content,
    "pieces": [part.message.content for part in client.chat(messages=turn, stream=True, **ask)],
    "generated": client.generate(prompt=turn[0]["content"], **ask).response,
    "embeddings": [len(e) for e in client.embed(model=model, input=["a", "b"]).embeddings],
}
try:
    client.chat(model="none", messages=turn)
except ollama.ResponseError as error:
    said["error"] = [error.status_code, error.error]
print(json.dumps(said))
