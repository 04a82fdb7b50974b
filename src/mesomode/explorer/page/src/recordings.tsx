// Recordings beside networks: dimension, time-scales, distances of their dynamics.
import { useMemo, useState } from "preact/hooks";
import { Chart, Plot, logarithmic } from "./chart";
import { SERIES, measured, number } from "./colour";
import type { Piece } from "./data";
import { called } from "./networks";

const naming = (piece: Piece) => (system: any) =>
  system.kind === "network" ? called(piece, system.name) : `session ${system.name}`;

/** A half width with its unit, or why there is none. */
const halfWidth = (kind: string, value: number) =>
  Number.isFinite(value)
    ? `${number(value, 3)} ${kind === "recording" ? "s" : "time constants"}`
    : "no decay to a half";

export function Recordings({ piece }: { piece: Piece }) {
  const systems: any[] = piece.description.comparison.systems;
  const named = naming(piece);
  const still = systems.some((_, k) => !Number.isFinite(piece.arrays["comparison half_width"][k]));
  const at = (name: string) => piece.arrays[`comparison ${name}`];
  const common = piece.description.comparison.facts.common_units;
  const dimension = useMemo(() => {
    const rows = systems.map((s, k) => ({
      name: named(s), kind: s.kind, at: at("participation_ratio_common")[k], whole: at("participation_ratio")[k],
      error: at("participation_ratio_error")[k], units: at("units")[k],
    }));
    return {
      marginLeft: 145,
      x: { label: `dimension of ${common} units →`, grid: true, zero: true },
      y: { label: null, domain: rows.map((r) => r.name) },
      color: { legend: true, domain: ["recording", "network"], range: [SERIES[1], SERIES[0]] },
      symbol: { domain: ["recording", "network"], range: ["diamond", "circle"] },
      marks: [Plot.dot(rows, { x: "at", y: "name", fill: "kind", symbol: "kind", r: 6, tip: true, channels: { units: "units", "of all units": "whole", "s.e.": "error" } })],
    } as Plot.PlotOptions;
  }, [piece]);
  const bySize = useMemo(() => {
    const sizes = at("subset");
    const points = systems.flatMap((s, k) =>
      Array.from(sizes, (units, i) => ({ units, value: at("participation_ratio_subset")[k * sizes.length + i], name: named(s), kind: s.kind })),
    ).filter((p) => Number.isFinite(p.value));
    return {
      x: logarithmic("units →", points.map((p) => p.units), false),
      y: logarithmic("↑ dimension", points.map((p) => p.value)),
      color: { legend: true, range: SERIES, domain: systems.map(named) },
      marks: [
        Plot.line(points, { x: "units", y: "value", stroke: "name", strokeWidth: (d: any) => (d.kind === "recording" ? 2.6 : 1.5), z: "name" }),
        Plot.tip(points, Plot.pointer({ x: "units", y: "value", channels: { system: "name" } })),
      ],
    } as Plot.PlotOptions;
  }, [piece]);
  const correlation = useMemo(() => {
    const lags = at("scaled_lag");
    const points = systems.flatMap((s, k) =>
      Array.from(lags, (lag, i) => ({ lag, value: at("autocorrelation")[k * lags.length + i], name: named(s), kind: s.kind })),
    ).filter((p) => Number.isFinite(p.value));
    return {
      x: { label: "lag / half width →" },
      y: { label: "↑ autocorrelation", grid: true },
      color: { legend: true, range: SERIES, domain: systems.map(named) },
      marks: [Plot.ruleY([0], { stroke: "var(--line)" }), Plot.line(points, { x: "lag", y: "value", stroke: "name", z: "name" })],
    } as Plot.PlotOptions;
  }, [piece]);
  return (
    <div class="page">
      <section class="table">
        <h3>Recordings and networks</h3>
        <table id="systems">
          <thead><tr><th>System</th><th>Kind</th><th>Units</th><th>Dimension (± s.e.)</th><th>of {common} units</th><th>Half width</th><th>Frame noise</th></tr></thead>
          <tbody>
            {systems.map((s, k) => (
              <tr>
                <th scope="row">{named(s)}</th>
                <td>{s.kind}</td>
                <td>{at("units")[k]}</td>
                <td data-number={`dimension ${k}`}>{measured(at("participation_ratio")[k], at("participation_ratio_error")[k])}</td>
                <td>{number(at("participation_ratio_common")[k])}</td>
                <td data-half-width={k}>{halfWidth(s.kind, at("half_width")[k])}</td>
                <td>{s.kind === "recording" ? `${number(100 * at("noise_fraction")[k], 2)} %` : ""}</td>
              </tr>
            ))}
          </tbody>
        </table>
        {still && (
          <p class="hint">
            No decay to a half: the autocorrelation stays above one half up to the longest lag (a saturated network hardly
            moves), so there is no half width, and no curve in the shapes below.
          </p>
        )}
      </section>
      <div class="two three">
        <Chart id="compared-dimension" title="Dimension, same number of units" options={dimension} height={Math.max(280, 60 + 30 * systems.length)} caption="Expected for so many units; standard errors for all units are in the table." />
        <Chart id="by-size" title="Dimension against the number of units" options={bySize} />
        <Chart id="autocorrelation" title="Shape of the autocorrelation" options={correlation} caption="Lags in half widths of each system, so that only the shape differs." />
      </div>
      <Similarity piece={piece} />
    </div>
  );
}

const SURROGATES = ["phase randomised", "shuffled"];

function Similarity({ piece }: { piece: Piece }) {
  const { systems, facts, attributes, flags } = piece.description.similarity;
  const at = (name: string) => piece.arrays[`similarity ${name}`];
  const named = naming(piece);
  const unit = attributes.metric === "angular" ? " (rad)" : "";
  const copies: string[] = flags.copy;
  const [surrogates, setSurrogates] = useState(false);
  const items = Array.from(at("system"), (s, k) => ({
    system: named(systems[s]), kind: systems[s].kind, copy: copies[at("copy")[k]].replaceAll("_", " "),
  }));
  // beside so many others a session is its number
  const titles = items.map((i) => i.system.replace(/^session /, "") + (i.copy === "whole" ? "" : `, ${i.copy}`));
  const map = useMemo(() => {
    const axes = piece.shapes["similarity map"][1];
    const points = items
      .map((i, k) => ({ ...i, x: at("map")[k * axes], y: at("map")[k * axes + 1] }))
      .filter((p) => surrogates || !SURROGATES.includes(p.copy));
    const whole = (one: any) => points.find((p) => p.system === one.system && p.copy === "whole")!;
    return {
      aspectRatio: 1,
      x: { label: `map axis 1${unit} →` },
      y: { label: `↑ map axis 2${unit}` },
      color: { legend: true, range: SERIES, domain: [...new Set(items.map((i) => i.system))] },
      symbol: { legend: true, domain: [...new Set(items.map((i) => i.copy))] },
      marks: [
        Plot.link(points.filter((p) => p.copy !== "whole"), { x1: "x", y1: "y", x2: (d: any) => whole(d).x, y2: (d: any) => whole(d).y, stroke: "system", strokeOpacity: 0.35 }),
        Plot.dot(points.filter((p) => p.copy !== "whole"), { x: "x", y: "y", stroke: "system", fill: "var(--surface)", symbol: "copy", r: 4.5, strokeWidth: 1.7 }),
        Plot.dot(points.filter((p) => p.copy === "whole"), { x: "x", y: "y", fill: "system", symbol: "copy", r: 6.5 }),
        Plot.tip(points, Plot.pointer({ x: "x", y: "y", channels: { system: "system", trials: "copy" }, format: { x: false, y: false } })),
      ],
    } as Plot.PlotOptions;
  }, [piece, surrogates]);
  const matrix = useMemo(() => {
    const n = items.length;
    const cells = items.flatMap((_, r) => items.map((_2, c) => ({ from: titles[r], to: titles[c], distance: at("distance")[r * n + c], least: at("lower_bound")[r * n + c] })));
    return {
      marginLeft: 230, marginBottom: 195,
      x: { label: null, domain: titles, tickRotate: -60 },
      y: { label: null, domain: titles },
      color: { scheme: "cividis", legend: true, label: `dynamical distance${unit || ` (${attributes.metric})`}` },
      marks: [Plot.cell(cells, { x: "to", y: "from", fill: "distance", inset: 0.5, tip: true, channels: { "proven at least": "least" } })],
    } as Plot.PlotOptions;
  }, [piece]);
  const recordings = systems.filter((s: any) => s.kind === "recording");
  const networks = systems.filter((s: any) => s.kind === "network");
  return (
    <>
      <section class="table">
        <h3>Which network moves most like each recording</h3>
        <table id="closest">
          <thead><tr><th>Recording</th>{networks.map((s: any) => <th>to {named(s)}</th>)}<th>its halves (noise floor)</th><th>phase randomised</th><th>shuffled</th><th>closest</th></tr></thead>
          <tbody>
            {recordings.map((s: any, r: number) => {
              const closest = at("closest")[r];
              return (
                <tr>
                  <th scope="row">{named(s)}</th>
                  {networks.map((_: any, c: number) => (
                    <td class={c === closest ? "best" : ""} data-number={`distance ${r} ${c}`}>{number(at("to_network")[r * networks.length + c])}</td>
                  ))}
                  <td>{number(at("floor")[r])}</td>
                  <td>{number(at("to_surrogate")[2 * r])}</td>
                  <td>{number(at("to_surrogate")[2 * r + 1])}</td>
                  <td>{closest < 0 ? "–" : `${named(networks[closest])}, the next ${number(at("margin")[r], 2)} farther`}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
        <p class="hint">
          Dynamical similarity of {attributes.metric} distance at rank {facts.rank}. A network closer than a recording’s two
          halves are to each other cannot be told from it.
        </p>
      </section>
      <label class="check">
        <input type="checkbox" checked={surrogates} onChange={() => setSurrogates(!surrogates)} />
        show the surrogates on the map (they may lie far off)
      </label>
      <div class="two">
        <Chart id="similarity-map" title="Map of the dynamics" options={map} height={440} caption={`Classical scaling: the two axes hold ${number(100 * facts.explained, 2)} % of the squared distances of all items. Filled: all trials; open: halves and surrogates.`} />
        <Chart id="similarity-matrix" title="Distances of all pairs" options={matrix} height={Math.min(760, 200 + 20 * items.length)} />
      </div>
    </>
  );
}
