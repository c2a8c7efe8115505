// A swarm's definition, as the form has it.

import type { Edge } from "./types.ts";

export const BACKENDS = ["echo", "local", "external"] as const;

export const SHAPES = [
  { value: "ring", label: "Ring" },
  { value: "star", label: "Star" },
  { value: "all", label: "All to all" },
  { value: "own", label: "Own edges" },
] as const;

export type Shape = (typeof SHAPES)[number]["value"];

export interface Row {
  /** Which of the rows it is, for React. */
  key: number;
  name: string;
  backend: string;
  command: string;
  count: number;
}

/** The edges of a shape; a star's middle comes first. */
export function edgesOf(shape: Shape, names: readonly string[], own: string): Edge[] {
  const [first] = names;
  if (shape === "own") return readEdges(own).edges;
  if (first === undefined || names.length < 2) return [];
  if (shape === "ring") return names.map((name, at) => [name, names[(at + 1) % names.length]!] as const);
  if (shape === "star") return names.slice(1).flatMap((name) => [[first, name] as const, [name, first] as const]);
  return names.flatMap((from) => names.filter((to) => to !== from).map((to) => [from, to] as const));
}

/** Reads edges, one a line, `a -> b`; the lines that are none are told by number, from 1. */
export function readEdges(text: string): { edges: Edge[]; wrong: number[] } {
  const edges: Edge[] = [];
  const wrong: number[] = [];
  text.split("\n").forEach((line, at) => {
    if (line.trim() === "") return;
    const found = /^\s*([\w-]+)\s*(?:->|→|,|\s)\s*([\w-]+)\s*$/.exec(line);
    if (found) edges.push([found[1]!, found[2]!]);
    else wrong.push(at + 1);
  });
  return { edges, wrong };
}

/** What the daemon is sent. */
export function definitionOf(name: string, rows: readonly Row[], shape: Shape, own: string) {
  const agents = rows.map((row) => ({
    name: row.name,
    backend: row.backend,
    ...(row.backend === "local" && { command: row.command }),
    ...(row.count > 1 && { count: row.count }),
  }));
  return { name, agents, topology: edgesOf(shape, rows.map((row) => row.name), own) };
}

/** How a text is meant. */
export const formatOf = (text: string): "json" | "toml" => (text.trimStart().startsWith("{") ? "json" : "toml");
