// Events a second and connected clients, over the last minutes.

import { Paper, Text, useComputedColorScheme } from "@mantine/core";
import { useElementSize, useMergedRef } from "@mantine/hooks";
import { useEffect, useRef, useState } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { useStore } from "zustand";
import { count } from "../../lib/format.ts";
import styles from "./charts.module.css";
import { SHOWN, askForClients, clients, rates } from "./rates.ts";

type Values = [number[], (number | null)[]];

const HEIGHT = 84;

const minute = (seconds: number) => new Date(seconds * 1_000).toLocaleTimeString([], { hour: "numeric", minute: "2-digit" });

/** How often the metrics are asked for, in milliseconds. */
const ASK = 2_000;

export function Charts() {
  const [, tick] = useState(0);
  useEffect(() => {
    const timer = window.setInterval(() => tick((turn) => turn + 1), 1_000);
    void askForClients();
    const asking = window.setInterval(() => void askForClients(), ASK);
    return () => {
      window.clearInterval(timer);
      window.clearInterval(asking);
    };
  }, []);
  const { points, why } = useStore(clients);
  const events = rates.series();
  const known = events[1].filter((value) => value !== null);
  const connected = points.at(-1)?.[1];
  const now = known.slice(-6, -1).reduce((sum, value) => sum + value, 0) / 5;
  return (
    <div className={styles.charts}>
      <Chart
        title="Events per second"
        says={`${count(Math.round(now * 10) / 10)} now, ${count(Math.max(0, ...known))} at most`}
        values={events}
        bars
      />
      <Chart
        title="Connected clients"
        says={why ?? (typeof connected === "number" ? `${count(connected)} now` : "not known yet")}
        values={[points.map(([at]) => at), points.map(([, value]) => value)]}
      />
    </div>
  );
}

interface Props {
  title: string;
  /** What it shows, in words. */
  says: string;
  values: Values;
  bars?: boolean;
}

function Chart({ title, says, values, bars = false }: Props) {
  const { ref, width } = useElementSize();
  const around = useRef<HTMLDivElement>(null);
  const both = useMergedRef(ref, around);
  const plot = useRef<uPlot>(null);
  const scheme = useComputedColorScheme("light");
  const latest = useRef(values);
  latest.current = values;
  useEffect(() => {
    const frame = around.current;
    if (!frame || width === 0) return;
    const style = getComputedStyle(frame);
    const [text, line, fill] = ["--mantine-color-text", "--mantine-color-default-border", "--mantine-primary-color-filled"].map(
      (name) => style.getPropertyValue(name).trim(),
    ) as [string, string, string];
    const axis = { stroke: text, font: "11px system-ui, sans-serif", grid: { stroke: line, width: 1 }, ticks: { show: false } };
    const made = new uPlot(
      {
        width,
        height: HEIGHT,
        legend: { show: false },
        cursor: { show: false },
        padding: [6, 24, 0, 0],
        scales: {
          x: { range: () => [Date.now() / 1_000 - SHOWN, Date.now() / 1_000] },
          y: { range: (_, __, most) => [0, Math.max(4, Math.ceil((most ?? 0) * 1.15))] },
        },
        axes: [
          { ...axis, size: 20, incrs: [60, 120, 300], values: (_, splits) => splits.map(minute) },
          { ...axis, size: 38, space: 24, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 100_000] },
        ],
        series: [
          {},
          {
            stroke: fill,
            width: bars ? 0 : 2,
            ...(bars ? { fill, paths: uPlot.paths.bars!({ size: [0.9] }) } : { paths: uPlot.paths.stepped!({ align: 1 }) }),
            points: { show: false },
          },
        ],
      },
      latest.current,
      frame,
    );
    plot.current = made;
    return () => {
      plot.current = null;
      made.destroy();
    };
  }, [width, scheme, bars]);
  useEffect(() => plot.current?.setData(values), [values]);
  return (
    <Paper withBorder p={6} component="figure" m={0} className={styles.chart ?? ""}>
      <Text component="figcaption" size="xs" mb={2} className={styles.caption ?? ""}>
        <b>{title}</b> {says}
      </Text>
      <div ref={both} className={styles.plot} aria-hidden />
    </Paper>
  );
}
