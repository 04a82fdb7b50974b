// The projections or inputs of a voxel by one model, by another, and the difference.
import { useEffect, useLayoutEffect, useState } from "preact/hooks";
import { diverging, number, sequential } from "./colour";
import { Maps, type Row } from "./maps";
import { EXPLAINED, NAMES, type Model } from "./model";
import { AXES, AXIS_NAMES, type Grid, type Place } from "./space";
import { Problem } from "./problem";
import type { State } from "./state";

const UNIT = "projection density per unit injection";

interface Props {
  state: State;
  change(changes: Partial<State>): void;
  grid: Grid;
  models: Map<string, Model>;
}

interface Shown {
  key: string;
  place: Place;
  direction: State["direction"];
  model: string;
  compare: string;
  values: Float64Array[];
}

export function Connectome({ state, change, grid, models }: Props) {
  const { direction, model, compare, overlay } = state;
  const place = state.voxel!;
  const [shown, setShown] = useState<Shown | null>(null);
  const [problem, setProblem] = useState("");
  const choices = direction === "out" ? grid.source : grid.target;
  const voxel = choices.at(place);
  const key = [place.join("-"), direction, model, compare].join(" ");

  useEffect(() => {
    let current = true;
    if (voxel < 0) return;
    const names = [model, compare].filter(Boolean);
    Promise.all(names.map((name) => models.get(name)!.weights(direction, voxel))).then(
      (values) => {
        if (!current) return;
        setProblem("");
        setShown({ key, place, direction, model, compare, values });
      },
      (error) => current && setProblem(error.message),
    );
    return () => {
      current = false;
    };
  }, [key]);

  // the maps were drawn in this very update: what a click takes is measured up to here
  useLayoutEffect(() => {
    if (shown) performance.mark("shown");
  }, [shown]);

  const names = [...models.keys()];
  const quantities: Record<string, any> = grid.description.coverage?.quantities ?? {};
  return (
    <div class="split">
      <aside class="controls">
        <Choice label="Model" value={model} options={names} onChange={(v) => change({ model: v })} />
        <p class="hint">{EXPLAINED[model]}</p>
        <Choice label="Compare with" value={compare} options={["", ...names.filter((n) => n !== model)]} onChange={(v) => change({ compare: v })} />
        <fieldset class="switch">
          <legend>Show</legend>
          {(["out", "in"] as const).map((way) => (
            <label>
              <input type="radio" name="direction" checked={direction === way} onChange={() => change({ direction: way, voxel: kept(grid, place, way) })} />
              {way === "out" ? "Projections" : "Inputs"}
            </label>
          ))}
        </fieldset>
        <label class="choice">
          <span>Overlay</span>
          <select value={overlay} onChange={(e) => change({ overlay: e.currentTarget.value })}>
            <option value="">none</option>
            {grid.description.coverage && <option value="coverage">not informed by data (hatched)</option>}
            {Object.keys(quantities).map((name) => (
              <option value={name}>{OVERLAYS[name] ?? name.replaceAll("_", " ")}</option>
            ))}
          </select>
        </label>
        <VoxelCard {...{ grid, place, direction, voxel }} />
        {shown && <Agreement {...{ shown, models, grid }} />}
      </aside>
      <div class="rows" data-shown={shown?.key}>
        {problem && <Problem text={problem} />}
        {voxel < 0 && <Problem text={`There is no ${direction === "out" ? "source" : "target"} voxel at ${place.join(", ")}. Choose one on a map.`} />}
        {shown && <Rows {...{ shown, grid, models, overlay }} onPlace={(p) => change({ voxel: p })} />}
      </div>
    </div>
  );
}

const OVERLAYS: Record<string, string> = {
  variance_reduction: "how much the data inform it",
  posterior_variance: "posterior variance",
  informed_patterns: "informed patterns",
  injections: "number of injections",
  distance_to_injection: "distance to an injection",
  observed_fraction: "observed share of targets",
};

const OVERLAY_UNITS: Record<string, string> = {
  variance_reduction: "share of the prior variance",
  posterior_variance: "(density per unit injection)²",
  informed_patterns: "share of the patterns",
  injections: "experiments",
  observed_fraction: "share of the targets",
};

/** The voxel to keep when the direction changes: the same if it is there, else the nearest. */
function kept(grid: Grid, place: Place, direction: State["direction"]): Place {
  const voxels = direction === "out" ? grid.source : grid.target;
  if (voxels.at(place) >= 0) return place;
  let best: Place = place;
  let least = Infinity;
  for (let i = 0; i < voxels.count; i++) {
    const at = [0, 1, 2].map((k) => voxels.voxel[3 * i + k]) as Place;
    const off = at.reduce((sum, v, k) => sum + (v - place[k]) ** 2, 0);
    if (off < least) [least, best] = [off, at];
  }
  return best;
}

export function Choice(props: { label: string; value: string; options: string[]; onChange(value: string): void }) {
  return (
    <label class="choice">
      <span>{props.label}</span>
      <select value={props.value} onChange={(e) => props.onChange(e.currentTarget.value)}>
        {props.options.map((name) => (
          <option value={name}>{name ? (NAMES[name] ?? name) : "nothing"}</option>
        ))}
      </select>
    </label>
  );
}

function Rows({ shown, grid, models, overlay, onPlace }: { shown: Shown; grid: Grid; models: Map<string, Model>; overlay: string; onPlace(p: Place): void }) {
  const { values, direction, place } = shown;
  const voxels = direction === "out" ? grid.target : grid.source;
  const choices = direction === "out" ? grid.source : grid.target;
  const what = direction === "out" ? "projections" : "inputs";
  const scale = sequential(...values);
  const uninformed = overlay ? hatching(grid) : undefined;
  const spread = uninformed && (direction === "in" ? uninformed : onTargets(grid, uninformed));
  const name = (n: string) => (n === "truth" ? "Truth" : `${NAMES[n] ?? n} model`);
  const rows: Row[] = [shown.model, shown.compare].filter(Boolean).map((n, i) => {
    const description = models.get(n)!.description;
    const exact =
      description.kind === "tiles"
        ? `rounded to ${(100 * description.error).toPrecision(1)} % of this voxel's range`
        : `exact to ${description.error.toExponential(0)} of the largest weight`;
    return { id: i ? "compare" : "model", title: `${name(n)}: ${what}`, values: values[i], voxels, scale, unit: UNIT, hatched: spread, note: `Values ${exact}.` };
  });
  if (shown.compare) {
    const difference = values[0].map((v, i) => v - values[1][i]);
    rows.push({ id: "difference", title: `Difference: ${name(shown.model)} − ${name(shown.compare)}`, values: difference, voxels, scale: diverging(difference), unit: UNIT, hatched: spread });
  }
  const quantity = grid.description.coverage?.quantities[overlay];
  if (quantity) {
    const known = Float64Array.from(grid.arrays[overlay], (v) => (Number.isFinite(v) ? v : NaN));
    rows.push({ id: "overlay", title: `Sources: ${OVERLAYS[overlay] ?? overlay}`, values: known, voxels: grid.source, scale: { ...sequential(known), scheme: "cividis" }, unit: OVERLAY_UNITS[overlay] ?? (quantity.unit === "1" ? "" : quantity.unit.replace("um", "µm")), hatched: uninformed, note: `${quantity.meaning}.` });
  }
  return (
    <>
      {rows.map((row) => (
        <Maps key={row.id} {...{ row, grid, choices, place, onPlace }} />
      ))}
      {uninformed && <Legend grid={grid} />}
      <Regions {...{ shown, grid, models }} />
    </>
  );
}

const hatching = (grid: Grid): Uint8Array | undefined =>
  grid.arrays.coverage && Uint8Array.from(grid.arrays.coverage, (c) => (c === 0 ? 0 : 1));

const onTargets = (grid: Grid, hatched: Uint8Array): Uint8Array =>
  Uint8Array.from({ length: grid.target.count }, (_, i) => {
    const source = grid.source.at([0, 1, 2].map((k) => grid.target.voxel[3 * i + k]) as Place);
    return source < 0 ? 0 : hatched[source];
  });

function Legend({ grid }: { grid: Grid }) {
  const classes: string[] = grid.description.coverage.classes;
  const counts = classes.map((_, k) => Array.from(grid.arrays.coverage).filter((c) => c === k).length);
  const total = grid.source.count;
  const reasons = classes.map((c, k) => (k && counts[k] ? `${c.replaceAll("_", " ")} ${counts[k]}` : "")).filter(Boolean);
  return (
    <p class="legend">
      <span class="hatch" aria-hidden="true" /> As sources, {total - counts[0]} of {total.toLocaleString("en")} voxels
      are not informed by the data{reasons.length ? ` (${reasons.join(", ")})` : ""}: what is shown from them is the smoothing’s guess.
    </p>
  );
}

function reasonOf(grid: Grid, source: number): { informed: boolean; text: string } {
  const { coverage, injections, distance_to_injection: distance, observed_fraction: observed } = grid.arrays;
  const reach = number(grid.description.coverage.reach, 3);
  const away = number(distance[source], 3);
  const texts = [
    `Informed: ${injections[source]} experiments injected it, the nearest injection is ${away} µm away, and the smoothing carries ${reach} µm.`,
    `Not informed: the nearest injection is ${away} µm away, farther than the smoothing carries (${reach} µm).`,
    `Not informed: of its targets only ${number(100 * observed[source], 3)} % were observed in experiments within reach.`,
    "Not informed: nothing was injected into its connected part of the grid.",
  ];
  return { informed: coverage[source] === 0, text: texts[coverage[source]] };
}

function VoxelCard({ grid, place, direction, voxel }: { grid: Grid; place: Place; direction: State["direction"]; voxel: number }) {
  const voxels = direction === "out" ? grid.source : grid.target;
  const region = voxel < 0 ? null : grid.regions[voxels.region[voxel]];
  const source = grid.source.at(place);
  const coverage = grid.arrays.coverage && source >= 0 ? reasonOf(grid, source) : null;
  const side = direction === "in" && voxel >= 0 && grid.side[voxel] === 2 ? ", other hemisphere" : "";
  return (
    <div class="card" aria-live="polite" id="voxel-card">
      <h2>{region ? `${region.acronym}` : "No voxel"}</h2>
      {region && <p>{region.name}{side}</p>}
      <dl>
        {place.map((index, k) => (
          <>
            <dt title={AXIS_NAMES[k]}>{AXES[k]}</dt>
            <dd>{(((index + 0.5) * grid.edge_um) / 1000).toFixed(2)} mm <small>[{index}]</small></dd>
          </>
        ))}
      </dl>
      {coverage && direction === "out" && <p class={coverage.informed ? "informed" : "uninformed"}>{coverage.text}</p>}
      {source >= 0 && grid.arrays.variance_reduction && direction === "out" && (
        <p class="hint">The data remove {number(100 * grid.arrays.variance_reduction[source], 2)} % of the prior variance of its weights (linear model).</p>
      )}
    </div>
  );
}

function Agreement({ shown, models, grid }: { shown: Shown; models: Map<string, Model>; grid: Grid }) {
  const truth = models.get("truth");
  const [against, setAgainst] = useState<{ key: string; error: number; r: number } | null>(null);
  const voxel = (shown.direction === "out" ? grid.source : grid.target).at(shown.place);
  useEffect(() => {
    if (!truth || shown.model === "truth") return setAgainst(null);
    truth.weights(shown.direction, voxel).then((true_) => {
      setAgainst({ key: shown.key, ...compare(shown.values[0], true_) });
    }, () => setAgainst(null));
  }, [shown.key]);
  const scores = grid.description.validation?.scores;
  const known = grid.description.truth;
  const values = shown.values[0];
  const sum = values.reduce((a, b) => a + b, 0);
  const pick = (table: any, name: string) => table?.[name]?.[shown.model];
  return (
    <div class="card" id="numbers">
      <h2>{NAMES[shown.model] ?? shown.model}{shown.model === "truth" ? "" : " model"}</h2>
      <dl class="wide">
        <dt>Sum of {shown.direction === "out" ? "projections" : "inputs"}</dt>
        <dd data-number="sum">{number(sum)}</dd>
        <dt>Largest weight</dt>
        <dd data-number="largest">{number(values.reduce((a, b) => Math.max(a, b), -Infinity))}</dd>
        {against && against.key === shown.key && (
          <>
            <dt>Error of this voxel, <b>|w − w*| / |w*|</b></dt>
            <dd data-number="voxel-error">{number(against.error, 3)}</dd>
            <dt>correlation with the truth</dt>
            <dd data-number="voxel-correlation">{number(against.r, 3)}</dd>
          </>
        )}
        {pick(known, "relative_error") !== undefined && (
          <>
            <dt>Error of all weights, <b>|W − W*| / |W*|</b></dt>
            <dd data-number="error">{number(pick(known, "relative_error"), 3)}</dd>
            <dt>correlation with the truth</dt>
            <dd>{number(pick(known, "correlation"), 3)}</dd>
          </>
        )}
        {pick(scores, "test_voxel_mean") !== undefined && (
          <>
            <dt>MSE<sub>rel</sub> of held-out experiments (n = {grid.description.validation.folds} folds, ± s.e.)</dt>
            <dd data-number="validation">{number(pick(scores, "test_voxel_mean"), 3)} ± {number(pick(scores, "test_voxel_standard_error"), 2)}</dd>
          </>
        )}
      </dl>
    </div>
  );
}

function compare(found: Float64Array, true_: Float64Array): { error: number; r: number } {
  const n = found.length;
  const mean = (v: Float64Array) => v.reduce((a, b) => a + b, 0) / n;
  const [mf, mt] = [mean(found), mean(true_)];
  let [off, size, ff, tt, ft] = [0, 0, 0, 0, 0];
  for (let i = 0; i < n; i++) {
    off += (found[i] - true_[i]) ** 2;
    size += true_[i] ** 2;
    ff += (found[i] - mf) ** 2;
    tt += (true_[i] - mt) ** 2;
    ft += (found[i] - mf) * (true_[i] - mt);
  }
  return { error: Math.sqrt(off / size), r: ft / Math.sqrt(ff * tt) };
}

/** Means over the regions of what is shown, and how sure the region pair's mean is. */
function Regions({ shown, grid }: { shown: Shown; grid: Grid; models: Map<string, Model> }) {
  const voxels = shown.direction === "out" ? grid.target : grid.source;
  const both = shown.direction === "out" && grid.side.some((s) => s === 2);
  const groups = new Map<string, { region: number; side: number; count: number; sums: number[] }>();
  for (let i = 0; i < voxels.count; i++) {
    const side = both ? grid.side[i] : 0;
    const id = `${voxels.region[i]} ${side}`;
    let group = groups.get(id);
    if (!group) groups.set(id, (group = { region: voxels.region[i], side, count: 0, sums: shown.values.map(() => 0) }));
    group.count++;
    shown.values.forEach((v, k) => (group!.sums[k] += v[i]));
  }
  const rows = [...groups.values()].sort((a, b) => b.sums[0] / b.count - a.sums[0] / a.count);
  const largest = Math.max(...rows.map((g) => Math.abs(g.sums[0] / g.count)), 1e-300);
  const interval = bootstrap(shown, grid);
  return (
    <section class="table" aria-label="Means over regions">
      <h3>{shown.direction === "out" ? "Target" : "Source"} regions: mean weight of this voxel</h3>
      <table id="regions">
        <thead>
          <tr>
            <th>Region</th><th>Voxels</th><th>{NAMES[shown.model]}</th><th aria-hidden="true" />
            {shown.compare && <th>{NAMES[shown.compare]}</th>}
            {shown.compare && <th>Difference</th>}
            {interval && <th title="mean weight between the two regions, linear model, experiments drawn with replacement">Region pair, 95 % (bootstrap, n = {grid.description.coverage.replicates})</th>}
          </tr>
        </thead>
        <tbody>
          {rows.map((g) => {
            const means = g.sums.map((s) => s / g.count);
            const range = interval?.(g.region, g.side);
            return (
              <tr>
                <th scope="row" title={grid.regions[g.region].name}>{grid.regions[g.region].acronym}{g.side === 2 ? " (other side)" : ""}</th>
                <td>{g.count}</td>
                <td data-number={`mean ${grid.regions[g.region].acronym}${g.side === 2 ? " other" : ""}`}>{number(means[0])}</td>
                <td class="bar"><i style={{ width: `${(100 * Math.max(0, means[0])) / largest}%` }} /></td>
                {shown.compare && <td>{number(means[1])}</td>}
                {shown.compare && <td>{number(means[0] - means[1])}</td>}
                {interval && <td>{range ? `${number(range[0], 2)} to ${number(range[1], 2)}` : "–"}</td>}
              </tr>
            );
          })}
        </tbody>
      </table>
    </section>
  );
}

function bootstrap(shown: Shown, grid: Grid): ((region: number, side: number) => number[] | null) | null {
  const { bootstrap_low: low, bootstrap_high: high, source_group_region: from, target_group_region: to, target_group_side: sides } = grid.arrays;
  if (!low) return null;
  const own = shown.direction === "out" ? grid.source : grid.target;
  const voxel = own.at(shown.place);
  const mine = own.region[voxel];
  return (region, side) => {
    const source = from.indexOf(shown.direction === "out" ? mine : region);
    const wanted = shown.direction === "out" ? side : grid.side[voxel];
    const target = to.findIndex((r, k) => r === (shown.direction === "out" ? region : mine) && (sides[k] === 2) === (wanted === 2));
    if (source < 0 || target < 0) return null;
    const k = target * from.length + source;
    return [low[k], high[k]];
  };
}
