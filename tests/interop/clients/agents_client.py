"""Runs agents of OpenAI's SDK and of Pydantic AI on a node. usage: agents_client.py URL MODEL; one JSON object comes out."""
import asyncio
import json
import sys
from typing import Literal

from agents import Agent, ModelSettings, OpenAIChatCompletionsModel, OpenAIResponsesModel, Runner
from agents import function_tool, set_tracing_disabled
from openai import AsyncOpenAI
from pydantic import BaseModel
from pydantic_ai import Agent as PydanticAgent
from pydantic_ai import NativeOutput, ToolOutput
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel as PydanticResponsesModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider

url, model = sys.argv[1:]
set_tracing_disabled(True)  # it would be sent to OpenAI


class City(BaseModel):
    """A city."""

    name: Literal["Paris", "Rome"]
    big: bool


@function_tool
def weather(city: Literal["Paris", "Rome"]) -> str:
    """Tells the weather."""
    return f"cold in {city}"


async def with_openai() -> dict:
    client = AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
    # the tool must be called in the first turn alone
    settings = ModelSettings(temperature=0, max_tokens=100, tool_choice="required", parallel_tool_calls=False)
    said = {}
    for name, kind in [("chat", OpenAIChatCompletionsModel), ("responses", OpenAIResponsesModel)]:
        agent = Agent(
            name="a",
            model=kind(model=model, openai_client=client),
            tools=[weather],
            output_type=City,
            model_settings=settings,
        )
        whole = await Runner.run(agent, "Paris", max_turns=3)
        streamed = Runner.run_streamed(agent, "Paris", max_turns=3)
        async for _ in streamed.stream_events():
            pass
        runs = [whole, streamed]
        if name == "responses":
            # what was said before stays with the node
            runs += [await Runner.run(agent, "Paris", max_turns=3, auto_previous_response_id=True)]
        said[name] = [[type(item).__name__ for item in run.new_items] for run in runs]
        assert all(isinstance(run.final_output, City) for run in runs)
    return said


async def with_pydantic() -> dict:
    openai = OpenAIProvider(base_url=f"{url}/v1", api_key="none")
    anthropic = AnthropicProvider(base_url=url, api_key="none")
    chat = OpenAIChatModel(model, provider=openai)
    responses = PydanticResponsesModel(model, provider=openai)
    said = {}
    for name, kind, output in [
        ("chat", chat, NativeOutput(City)),
        ("chatTool", chat, ToolOutput(City)),
        ("responses", responses, NativeOutput(City)),
        ("responsesTool", responses, ToolOutput(City)),
        ("anthropicTool", AnthropicModel(model, provider=anthropic), ToolOutput(City)),
    ]:
        agent = PydanticAgent(kind, output_type=output, retries=0, model_settings={"max_tokens": 100})
        run = await agent.run("Paris")
        async with agent.run_stream("Paris") as streamed:
            last = await streamed.get_output()
        said[name] = [type(run.output).__name__, type(last).__name__, run.usage.input_tokens > 0]
    return said


async def main() -> None:
    print(json.dumps({"openai": await with_openai(), "pydantic": await with_pydantic()}))


asyncio.run(main())
