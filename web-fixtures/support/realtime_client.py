"""Joins a topic with Supabase's Python client and prints what it hears."""

import asyncio
import sys

from realtime import AsyncRealtimeClient


async def main(url: str) -> None:
    client = AsyncRealtimeClient(url, token="anon")
    await client.connect()
    heard = asyncio.get_running_loop().create_future()
    channel = client.channel("python")

    def greet(message: dict) -> None:
        heard.set_result(message["payload"])

    def subscribed(state, error) -> None:
        print("subscribed" if state == "SUBSCRIBED" else f"{state} {error}", flush=True)

    await channel.on_broadcast("greeting", greet).subscribe(subscribed)
    payload = await asyncio.wait_for(heard, 10)
    print("heard", payload["text"], flush=True)
    await client.close()


asyncio.run(main(sys.argv[1]))
