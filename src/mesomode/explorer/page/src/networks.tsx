// Network variants: simulation beside mean-field theory.
import { useMemo } from "preact/hooks";
import { Chart, Plot, logarithmic } from "./chart";
import { SERIES, measured, number } from "./colour";
import type { Piece, Values } from "./data";
import { spectrum } from "./spectrum";
import type { State } from "./state";

/** What a variant of the networks is called, here as in the figures. */
export const called = (piece: Piece, variant: string): string =>
  piece.description.names[variant] ?? variant.replaceAll("_", " ");

interface Props {
  piece: Piece;
  state: State;
  change(changes: Partial<State>): void;
}

export function Networks({ piece, state, change }: Props) {
  const networks: any[] = piece.description.networks;
  const label = (attributes: any) =>
    [attributes.name, called(piece, attributes.variant)].filter(Boolean).join(" / ");
  const all = networks.map((_, k) => k);
  const chosen = state.network.filter((k) => k < networks.length);
  const shown = chosen.length ? chosen : all.slice(0, 6);
  const toggle = (k: number) => {
    const next = shown.includes(k) ? shown.filter((i) => i !== k) : [...shown, k].sort((a, b) => a - b);
    change({ network: next.length ? next : [k] });
  };
  const domain = shown.map((k) => label(networks[k].attributes));
  const phi = state.activity === "phi";
  const curves = useMemo(() => {
    const names = phi
      ? ["activity_autocovariance", "activity_autocovariance_error", "mean_field_activity_autocovariance"]
      : ["autocovariance", "autocovariance_error", "mean_field_autocovariance"];
    return covariances(piece, shown, domain, names, "lag", phi ? "C_φ(τ)" : "C_x(τ)");
  }, [piece, shown.join(), phi]);
  const population = useMemo(
    () =>
      covariances(piece, shown, domain, ["population_autocovariance", "population_autocovariance_error", "mean_field_population_autocovariance"], "population_lag", "ψ(τ,τ) / ψ(0,0)"),
    [piece, shown.join()],
  );
  const dimensions = useMemo(() => {
    const rows = shown.map((k) => {
      const { facts, attributes } = networks[k];
      const n = attributes.units;
      return {
        name: label(attributes), found: facts.participation_ratio, error: facts.participation_ratio_error,
        theory: n * facts.mean_field_participation_ratio_per_unit,
      };
    });
    return {
      marginLeft: 145,
      x: { label: "dimension (participation ratio) →", grid: true, zero: true },
      y: { label: null, domain },
      marks: [
        Plot.ruleY(rows, { y: "name", x1: (d: any) => d.found - d.error, x2: (d: any) => d.found + d.error, strokeWidth: 2 }),
        Plot.dot(rows, { y: "name", x: "found", fill: "name", r: 5, tip: true }),
        Plot.tickX(rows.filter((d) => d.theory), { y: "name", x: "theory", stroke: "var(--ink)", strokeWidth: 2, strokeDasharray: "3,2" }),
      ],
      color: { range: SERIES, domain },
    } as Plot.PlotOptions;
  }, [piece, shown.join()]);
  const spectra = useMemo(() => {
    const points = shown.flatMap((k) =>
      spectrum(piece, `network${k} singular_value`).map((p) => ({ ...p, series: label(networks[k].attributes) })),
    );
    return {
      x: logarithmic("mode →", points.map((p) => p.mode), false),
      y: logarithmic("↑ singular value of J", points.map((p) => p.value).filter((v) => v > 1e-6)),
      color: { legend: true, range: SERIES, domain },
      marks: [Plot.line(points.filter((p) => p.value > 1e-6), { x: "mode", y: "value", stroke: "series" })],
    } as Plot.PlotOptions;
  }, [piece, shown.join()]);
  return (
    <div class="page">
      <section class="table">
        <h3>Networks: simulation (± s.e. over trajectories) and theory</h3>
        <table id="networks">
          <thead>
            <tr>
              <th>Show</th><th class="left">Network</th><th>Units</th><th>Gain</th><th>PR<sub>D</sub></th>
              <th>C<sub>φ</sub>(0)</th><th>theory</th><th>Dimension</th><th>theory</th><th>λ<sub>max</sub></th><th>theory</th>
            </tr>
          </thead>
          <tbody>
            {networks.map((network, k) => {
              const { facts, attributes } = network;
              const at = (name: string) => piece.arrays[`network${k} ${name}`];
              return (
                <tr>
                  <td><input type="checkbox" checked={shown.includes(k)} onChange={() => toggle(k)} aria-label={`show ${label(attributes)}`} /></td>
                  <th scope="row"><i class="key" style={{ background: shown.includes(k) ? SERIES[shown.indexOf(k) % SERIES.length] : "transparent" }} />{label(attributes)} <small>{attributes.variant}</small></th>
                  <td>{attributes.units}</td>
                  <td>{number(attributes.gain, 3)}</td>
                  <td>{attributes.variant === "independent" ? "∞" : number(facts.effective_rank, 3)}</td>
                  <td data-number={`variance ${k}`}>{measured(at("activity_autocovariance")?.[0], at("activity_autocovariance_error")?.[0])}</td>
                  <td>{number(finite(at("mean_field_activity_autocovariance")))}</td>
                  <td data-number={`dimension ${k}`}>{measured(facts.participation_ratio, facts.participation_ratio_error)}</td>
                  <td>{number(attributes.units * facts.mean_field_participation_ratio_per_unit || null)}{doubt(network)}</td>
                  <td>{number(at("lyapunov_exponent")?.[0], 3)}</td>
                  <td>{number(facts.mean_field_lyapunov_exponent, 3)}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
        <p class="hint">In small letters: the variant, as it is called in the configuration and in the names of files.</p>
        {networks.some((n) => n.facts.feedback > 1) && (
          <p class="hint">‡ A mode condenses: its activity sustains itself (strength × overlap × mean slope is above 1), and there is no theory for that.</p>
        )}
        {networks.some((n) => n.attributes.asymptotic === false && !(n.facts.feedback > 1)) && (
          <p class="hint">† Too few units for the theory, which is one of infinitely many: N·PR<sub>D</sub>·(1 − g²⟨φ′⟩²)² is below 10.</p>
        )}
      </section>
      <fieldset class="switch inline">
        <legend>Autocovariance of</legend>
        {(["phi", "x"] as const).map((a) => (
          <label>
            <input type="radio" name="activity" checked={state.activity === a} onChange={() => change({ activity: a })} />
            {a === "phi" ? "activity φ(x)" : "state x"}
          </label>
        ))}
      </fieldset>
      <div class="two">
        <Chart id="autocovariance" title={phi ? "Autocovariance of the activity" : "Autocovariance of the states"} options={curves} height={320} caption="Wide lines with bands: simulation ± s.e.; dashed, in the same colour: theory. Lags in time constants of the units." />
        <Chart id="dimension" title="Dimension" options={dimensions} height={Math.max(320, 60 + 34 * shown.length)} caption="Dots: simulation ± s.e.; dashed ticks: theory for as many units." />
        <Chart id="population" title="Autocovariance of the population" options={population} caption="How long the pattern of covariances lasts. Wide: simulation; dashed: theory." />
        <Chart id="couplings" title="Singular values of the couplings" options={spectra} />
      </div>
    </div>
  );
}

/** Why the theory of the dimension does not hold for a network, as a mark. */
const doubt = ({ facts, attributes }: any) =>
  facts.feedback > 1 ? <span title="a mode condenses: no theory">‡</span>
  : attributes.asymptotic === false ? <span title="too few units for the theory">†</span> : null;

const finite = (values?: Values): number | null =>
  values && Number.isFinite(values[0]) ? values[0] : null;

function covariances(
  piece: Piece, shown: number[], domain: string[], [found, error, theory]: string[], lag: string,
  quantity: string,
): Plot.PlotOptions {
  const points = shown.flatMap((k, place) => {
    const at = (name: string) => piece.arrays[`network${k} ${name}`];
    if (!at(found)) return [];
    return Array.from(at(lag), (x, i) => ({
      x, found: at(found)[i], error: at(error)[i], theory: at(theory)?.[i], series: domain[place],
    })).filter((p) => Number.isFinite(p.found));
  });
  return {
    x: { label: "lag τ (time constants) →" },
    y: { label: `↑ ${quantity}`, grid: true },
    color: { legend: true, range: SERIES, domain },
    marks: [
      Plot.ruleY([0], { stroke: "var(--line)" }),
      Plot.areaY(points, { x: "x", y1: (d: any) => d.found - d.error, y2: (d: any) => d.found + d.error, fill: "series", fillOpacity: 0.25, z: "series" }),
      Plot.line(points, { x: "x", y: "found", stroke: "series", strokeWidth: 4.5, strokeOpacity: 0.4 }),
      Plot.line(points.filter((p) => Number.isFinite(p.theory)), { x: "x", y: "theory", stroke: "series", strokeWidth: 1.7, strokeDasharray: "6,3" }),
      Plot.tip(points, Plot.pointer({ x: "x", y: "found", channels: { network: "series", theory: "theory" } })),
    ],
  };
}
