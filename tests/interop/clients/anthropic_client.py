"""Asks a node with Anthropic's own client. usage: anthropic_client.py URL MODEL KEY; one JSON object comes out."""
import json
import sys
from typing import Literal

import anthropic

url, model, key = sys.argv[1:]
client = anthropic.Anthropic(base_url=url, api_key=key, max_retries=0)
ask = {
    "model": model,
    "max_tokens": 8,
    # newer clients have no name for it
    "extra_body": {"temperature": 0},
    "messages": [{"role": "user", "content": "What is the capital of France?"}],
}
whole = client.messages.create(**ask)
with client.messages.stream(**ask) as stream:
    pieces = list(stream.text_stream)
    final = stream.get_final_message()


@anthropic.beta_tool
def weather(city: Literal["Paris", "Rome"]) -> str:
    """Tells the weather."""
    return f"cold in {city}"


run = {**ask, "max_tokens": 60, "max_iterations": 2, "tools": [weather], "tool_choice": {"type": "any"}}
said = {
    "whole": whole.content[0].text,
    "stop_reason": whole.stop_reason,
    "pieces": pieces,
    "final": final.content[0].text,
    "usage": [final.usage.input_tokens, final.usage.output_tokens],
    "ran": [message.stop_reason for message in client.beta.messages.tool_runner(**run)],
    "listed": [one.display_name for one in client.models.list()],
    "counted": client.messages.count_tokens(model=model, messages=ask["messages"]).input_tokens,
}
try:
    client.messages.create(**{**ask, "model": "none"})
except anthropic.NotFoundError as error:
    said["missing"] = [error.status_code, error.body["error"]["type"]]
try:
    anthropic.Anthropic(base_url=url, api_key="wrong", max_retries=0).messages.create(**ask)
except anthropic.AuthenticationError as error:
    said["refused"] = [error.status_code, error.body["error"]["type"]]
print(json.dumps(said))
