// A chart of Observable Plot that follows its width and the colours of the page.
import * as Plot from "@observablehq/plot";
import { number } from "./colour";
import { useLayoutEffect, useRef, useState } from "preact/hooks";

interface Props {
  title: string;
  caption?: string;
  height?: number;
  id: string;
  options: Plot.PlotOptions;
}

export function Chart({ title, caption, height = 280, id, options }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const watcher = new ResizeObserver(() => setWidth(place.current?.clientWidth ?? 0));
    watcher.observe(place.current!);
    return () => watcher.disconnect();
  }, []);
  useLayoutEffect(() => {
    if (!width) return;
    const drawn = Plot.plot({
      width,
      height,
      marginLeft: 52,
      marginBottom: 38,
      style: { background: "transparent", color: "var(--ink)", fontSize: "12px", fontFamily: "inherit" },
      ...options,
    });
    const picture = drawn.matches("svg") ? drawn : drawn.querySelector("svg:last-of-type");
    picture?.setAttribute("role", "img");
    picture?.setAttribute("aria-label", `${title}. ${caption ?? ""}`);
    place.current!.replaceChildren(drawn);
    return () => drawn.remove();
  }, [options, width, height]);
  return (
    <figure class="chart" data-chart={id}>
      <h3>{title}</h3>
      <div ref={place} />
      {caption && <figcaption>{caption}</figcaption>}
    </figure>
  );
}

/** A logarithmic axis with a tick at each power of ten. */
export function logarithmic(label: string, values: Iterable<number>, grid = true): Plot.ScaleOptions {
  let [low, high] = [Infinity, -Infinity];
  for (const v of values) if (v > 0) [low, high] = [Math.min(low, v), Math.max(high, v)];
  const ticks: number[] = [];
  for (let p = Math.ceil(Math.log10(low) - 1e-9); p <= Math.log10(high) + 1e-9; p++) ticks.push(10 ** p);
  if (ticks.length < 2) return { type: "log", label, grid, tickFormat: (v: number) => number(v, 2) };
  const tickFormat = (v: number) =>
    v >= 9e-4 && v < 1e5 ? String(Number(v.toPrecision(2))) : number(v, 1).replace("1·", "");
  return { type: "log", label, grid, ticks, tickFormat };
}

export { Plot };
