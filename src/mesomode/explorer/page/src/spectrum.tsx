// Singular values of the connectomes, beside the truth and beside random connectomes.
import { useMemo } from "preact/hooks";
import { Chart, Plot, logarithmic } from "./chart";
import { SERIES, number } from "./colour";
import type { Piece } from "./data";
import { NAMES } from "./model";

interface Point {
  mode: number;
  value: number;
  series: string;
}

/** A stored spectrum, with the modes that are left of a thinned one. */
export function spectrum(piece: Piece, key: string, row = 0): { mode: number; value: number }[] {
  const values = piece.arrays[key];
  if (!values) return [];
  const length = piece.shapes[key].at(-1)!;
  const place = piece.arrays[`${key} place`];
  return Array.from({ length }, (_, i) => ({
    mode: (place ? place[i] : i) + 1,
    value: values[row * length + i],
  }));
}

const scaled = (points: { mode: number; value: number }[], series: string): Point[] => {
  const largest = points[0]?.value || 1;
  return points
    .map(({ mode, value }) => ({ mode, value: value / largest, series }))
    .filter((p) => p.value > 1e-5);
};

export function Spectrum({ piece }: { piece: Piece }) {
  const { structures, truth_models: models } = piece.description;
  const fitted = useMemo(() => {
    const points: Point[] = [];
    (models ?? []).forEach((name: string, row: number) =>
      points.push(...scaled(spectrum(piece, "truth singular_value", row), NAMES[name] ?? name)),
    );
    points.push(...scaled(spectrum(piece, "truth true_singular_value"), "Truth"));
    return lines(points, "singular value / the largest");
  }, [piece]);
  return (
    <div class="page">
      {models && (
        <Chart id="models" title="Singular values of the models and of the truth" options={fitted} height={340}
          caption="Each divided by its largest; the first modes in full, later ones thinned out. How fast they fall says how few patterns the connectome has." />
      )}
      {structures.map((_: any, k: number) => (
        <Structure piece={piece} number_={k} key={k} />
      ))}
    </div>
  );
}

function Structure({ piece, number_ }: { piece: Piece; number_: number }) {
  const { facts, attributes } = piece.description.structures[number_];
  const prefix = `structure${number_}`;
  const name = attributes.name || "the run’s connectome";
  const nulls: string[] = attributes.nulls ?? [];
  const beside = useMemo(() => {
    const points = [
      ...scaled(spectrum(piece, `${prefix} connectome_singular_value`), "as read"),
      ...scaled(spectrum(piece, `${prefix} centred_singular_value`), "centred"),
    ];
    const count = piece.shapes[`${prefix} null_singular_value`]?.[0] ?? 0;
    for (let row = 0; row < count; row++)
      points.push(...scaled(spectrum(piece, `${prefix} null_singular_value`, row), nulls[row] ? `random: ${nulls[row].replaceAll("_", " ")}` : `random connectome ${row + 1}`));
    return lines(points, "singular value / the largest");
  }, [piece]);
  const overlaps = useMemo(() => {
    const points = spectrum(piece, `${prefix} overlap`).filter((p) => Number.isFinite(p.value));
    return {
      x: logarithmic("mode →", points.map((p) => p.mode), false),
      y: { label: "↑ overlap u·v of output and input mode", grid: true },
      marks: [
        Plot.ruleY([0], { stroke: "var(--line)" }),
        Plot.dot(points, { x: "mode", y: "value", r: 2.2, fill: SERIES[0], tip: true }),
      ],
    } as Plot.PlotOptions;
  }, [piece]);
  const perUnit = facts.unbiased_inverse_effective_rank > 0 ? 1 / facts.unbiased_inverse_effective_rank : null;
  return (
    <>
      <section class="facts">
        <h2>Structure of {name}</h2>
        <dl>
          <div><dt>Effective rank PR<sub>D</sub> per unit, corrected</dt><dd data-number="effective-rank">{number(perUnit, 3)}</dd></div>
          <div><dt>the same, uncorrected</dt><dd>{number(facts.inverse_effective_rank > 0 ? 1 / facts.inverse_effective_rank : null, 3)}</dd></div>
          <div><dt>Largest mode’s share of Σσ², centred</dt><dd>{number(100 * facts.centred_top_mode_share, 3)} %</dd></div>
          <div><dt>Share of ΣJ² that the mean had</dt><dd>{number(100 * facts.mean_share, 3)} %</dd></div>
          <div><dt>√N u·v of the modes, root mean square (random modes: 1)</dt><dd>{number(facts.overlap_root_mean_square, 3)}</dd></div>
          <div><dt>Pairs connected</dt><dd>{number(100 * facts.density, 3)} %</dd></div>
        </dl>
      </section>
      <div class="two">
        <Chart id={`${prefix}-spectrum`} title="Spectrum beside random connectomes" options={beside} caption="Each divided by its largest singular value." />
        <Chart id={`${prefix}-overlap`} title="Overlaps of output and input modes" options={overlaps} caption="What is left after centring; random modes have overlaps of about 1/√N." />
      </div>
    </>
  );
}

/** The truth is drawn in ink, the others in colours. */
const coloured = (domain: string[]): Plot.ScaleOptions => ({
  legend: true,
  domain,
  range: domain.map((name, k) => (name === "Truth" ? "var(--ink)" : SERIES[k % SERIES.length])),
});

const lines = (points: Point[], label: string): Plot.PlotOptions => ({
  x: logarithmic("mode →", points.map((p) => p.mode), false),
  y: logarithmic(`↑ ${label}`, points.map((p) => p.value)),
  color: coloured([...new Set(points.map((p) => p.series))]),
  marks: [
    Plot.line(points, { x: "mode", y: "value", stroke: "series", strokeWidth: 1.8 }),
    Plot.tip(points, Plot.pointer({ x: "mode", y: "value", channels: { of: "series" } })),
  ],
});
