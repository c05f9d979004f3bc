"""Asks a node through LangChain and LiteLLM. usage: langchain_client.py URL MODEL; one JSON object comes out."""
import json
import os
import sys

# prices and the like would be fetched from a site
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
os.environ["LANGSMITH_TRACING"] = "false"

import litellm
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

litellm.suppress_debug_info = True  # it would be printed
url, model = sys.argv[1:]
base = f"{url}/v1"
turns = [{"role": "user", "content": "What is the capital of France?"}]
chat = ChatOpenAI(model=model, base_url=base, api_key="none", temperature=0, max_tokens=8, max_retries=0)
# the tokenizer of OpenAI's models, which it would count with, is fetched from a site
embeddings = OpenAIEmbeddings(
    model=model, base_url=base, api_key="none", check_embedding_ctx_length=False, max_retries=0
)


def ask(provider: str, **more):
    api_base = base if provider == "openai" else url
    return litellm.completion(
        **{"model": f"{provider}/{model}", **more},
        api_base=api_base,
        api_key="none",
        messages=turns,
        temperature=0,
        max_tokens=8,
        num_retries=0,
    )


said = {
    "invoked": chat.invoke(turns).text,
    "streamed": "".join(chunk.text for chunk in chat.stream(turns)),
    "embedded": len(embeddings.embed_query("one")),
    "litellm": ask("openai").choices[0].message.content,
    "ollama": ask("ollama_chat").choices[0].message.content,
    "ollamaStreamed": "".join(part.choices[0].delta.content or "" for part in ask("ollama_chat", stream=True)),
}
try:
    ask("openai", model="openai/none")
except litellm.NotFoundError as error:
    said["missing"] = error.status_code
print(json.dumps(said))
