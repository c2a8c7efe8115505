// The programs of Hive's guide, and the same calls, written anew: in other words, with the names that a test looks
// for.

import { blocks } from "./seeds.mjs";

/** The page's programs, by what they are. */
export async function verbatim() {
  const all = await blocks("004", "javascript", "python");
  const block = (words) => all.find((program) => program.includes(words));
  return {
    quickStart: block("updateDashboard"),
    hook: block("useAgentStream"),
    bridge: block("bridge_to_webhook"),
    monitor: block("AgentMonitor"),
    orchestrator: block("AgentOrchestrator"),
    issuer: block("class WebSocketAuth"),
    nginx: (await blocks("004", "nginx"))[0],
  };
}

const CONNECT = `
import asyncio
import json

import websockets

URL = "ws://localhost:8765"


async def events(**filters):
    async with websockets.connect(URL) as socket:
        await socket.send(json.dumps({"action": "subscribe", **filters}))
        async for frame in socket:
            told = json.loads(frame)
            if told["type"] == "event":
                yield told["event"]

`;

export const ANEW = {
  quickStart: `
const socket = new WebSocket("ws://localhost:8765");
const subscribe = (filters) => socket.send(JSON.stringify({ action: "subscribe", ...filters }));
socket.addEventListener("open", () => {
  subscribe({});
  subscribe({ stream_id: "webhook", event_types: ["EXECUTION_STARTED", "EXECUTION_COMPLETED", "GOAL_PROGRESS"] });
});
socket.addEventListener("message", ({ data }) => {
  const frame = JSON.parse(data);
  if (frame.type !== "event") return;
  console.log(frame.event.type + ":", frame.event.data);
  updateDashboard(frame.event);
});
`,
  hook: `
import { useEffect, useState } from "react";
const STATUS = { execution_started: "running", execution_completed: "completed", execution_failed: "failed" };
export function useAgentStream(stream_id) {
  const [seen, setSeen] = useState([]);
  const [status, setStatus] = useState("idle");
  const [progress, setProgress] = useState(0);
  useEffect(() => {
    const socket = new WebSocket("ws://localhost:8765");
    socket.onopen = () => socket.send(JSON.stringify({ action: "subscribe", stream_id }));
    socket.onmessage = ({ data }) => {
      const { type, event } = JSON.parse(data);
      if (type !== "event") return;
      setSeen((before) => [...before, event]);
      if (event.type in STATUS) setStatus(STATUS[event.type]);
      if (event.type === "goal_progress") setProgress(event.data.progress * 100);
    };
    return () => socket.close();
  }, [stream_id]);
  return { seen, status, progress };
}
`,
  bridge: `${CONNECT}
import httpx


async def bridge(webhook, stream):
    async with httpx.AsyncClient() as client:
        async for event in events(stream_id=stream):
            await client.post(webhook, json=event, headers={"X-Stream-ID": stream})


asyncio.run(bridge("https://api.example.com/webhooks/agent-events", "production-agent-1"))
`,
  monitor: `${CONNECT}
async def main():
    async for event in events(event_types=["EXECUTION_STARTED", "EXECUTION_FAILED", "CONSTRAINT_VIOLATION"]):
        where = f"(exec: {event['execution_id']})"
        if event["type"] == "execution_failed":
            print(f"[ERROR] Agent failed: {event['data']['error']} {where}")
        elif event["type"] == "constraint_violation":
            print(f"[WARNING] Constraint violated: {event['data']} {where}")


asyncio.run(main())
`,
  orchestrator: `${CONNECT}
NEXT = {"data-collector": "data-analyzer", "data-analyzer": "report-generator"}


class AgentOrchestrator:
    async def orchestrate(self):
        async for event in events():
            following = NEXT.get(event["stream_id"])
            if event["type"] == "execution_completed" and following:
                print(f"Starting {following} with input: {event['data']}")
`,
  issuer: `
import datetime

import jwt


class WebSocketAuth:
    def __init__(self, secret):
        self.secret = secret

    def generate_token(self, user, streams):
        end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=24)
        return jwt.encode({"user_id": user, "streams": streams, "exp": end}, self.secret, algorithm="HS256")
`,
};

export const GO = `
package main

import (
	"fmt"
	"log"

	"github.com/gorilla/websocket"
)

type frame struct {
	Type  string
	Event struct {
		Type     string
		StreamID string \`json:"stream_id"\`
		Data     map[string]interface{}
	}
}

func main() {
	socket, _, err := websocket.DefaultDialer.Dial("ws://localhost:8765", nil)
	if err != nil {
		log.Fatal(err)
	}
	if err := socket.WriteJSON(map[string]string{"action": "subscribe", "stream_id": "go"}); err != nil {
		log.Fatal(err)
	}
	for {
		var told frame
		if err := socket.ReadJSON(&told); err != nil {
			log.Fatal(err)
		}
		if told.Type == "event" {
			fmt.Println(told.Event.Type, told.Event.StreamID, told.Event.Data)
		}
	}
}
`;

/** The guide's site for nginx, the same in other words. */
export const NGINX_ANEW = `
map $http_upgrade $connection_upgrade { default upgrade; '' close; }
upstream websocket { server localhost:8765; }
server {
    server_name agents.example.com;
    listen 443 ssl;
    ssl_certificate /etc/ssl/certs/site.pem;
    ssl_certificate_key /etc/ssl/private/site.key;
    proxy_http_version 1.1;
    location /stream {
        proxy_set_header Connection $connection_upgrade;
        proxy_set_header Upgrade $http_upgrade;
        proxy_read_timeout 86400;
        proxy_send_timeout 86400;
        auth_request /auth;
        proxy_pass http://websocket;
    }
    location = /auth {
        internal;
        proxy_set_header X-Original-URI $request_uri;
        proxy_set_header Content-Length "";
        proxy_pass_request_body off;
        proxy_pass http://auth-service/verify;
    }
}
`;
