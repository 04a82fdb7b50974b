// Every experiment: where it was injected, what was seen, what a model predicts, what is left.
import { useEffect, useMemo, useState } from "preact/hooks";
import { diverging, number, sequential } from "./colour";
import { Choice } from "./connectome";
import { load, sameGrid, vector, type Piece } from "./data";
import { Maps, type Row } from "./maps";
import { NAMES } from "./model";
import { Problem } from "./problem";
import { placeOf, type Grid, type Place } from "./space";
import type { State } from "./state";

interface Props {
  state: State;
  change(changes: Partial<State>): void;
  grid: Grid;
}

export function Experiments({ state, change, grid }: Props) {
  const list: any[] = grid.description.experiments;
  const { prediction } = state;
  const errors: Record<string, number[]> =
    (prediction === "fit" ? grid.description.errors : grid.description.validation?.errors) ?? {};
  const names = Object.keys(errors);
  const model = names.includes(state.model) ? state.model : names[0];
  const id = list.some((e) => e.id === state.experiment) ? state.experiment! : list[0].id;
  const [piece, setPiece] = useState<Piece | null>(null);
  const [problem, setProblem] = useState("");
  useEffect(() => {
    let current = true;
    const key = `tracing/experiment-${id}`;
    load(key).then(
      (found) => {
        if (!current) return;
        setProblem("");
        setPiece(sameGrid(found, grid.identity, key));
      },
      (error) => current && setProblem(error.message),
    );
    return () => {
      current = false;
    };
  }, [id]);
  const region = new Map(grid.regions.map((r) => [r.id, r]));
  const step = (event: KeyboardEvent) => {
    const way = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!way) return;
    event.preventDefault();
    const next = list[list.findIndex((e) => e.id === id) + way];
    if (!next) return;
    change({ experiment: next.id });
    (event.currentTarget as HTMLElement)
      .querySelector<HTMLElement>(`[data-experiment="${next.id}"]`)
      ?.focus();
  };
  return (
    <div class="split">
      <aside class="controls">
        <Choice label="Model" value={model} options={names} onChange={(v) => change({ model: v })} />
        {grid.description.validation && (
          <fieldset class="switch">
            <legend>Prediction</legend>
            {(["fit", "held out"] as const).map((way) => (
              <label title={way === "fit" ? "by the model fitted to all experiments" : "by a model fitted without this experiment's fold"}>
                <input type="radio" name="prediction" checked={prediction === way} onChange={() => change({ prediction: way })} />
                {way === "fit" ? "of the fit" : "held out"}
              </label>
            ))}
          </fieldset>
        )}
        <p class="hint">
          {list.length} experiments kept; dropped:{" "}
          {Object.entries<number>(grid.description.selection)
            .filter(([reason]) => reason !== "kept")
            .map(([reason, n]) => `${n} ${reason.replaceAll("_", " ")}`)
            .join(", ") || "none"}.
        </p>
        <div class="list" onKeyDown={step}>
          <table>
            <thead>
              <tr><th>Experiment</th><th>Region</th><th>mm³</th><th>MSE<sub>rel</sub></th></tr>
            </thead>
            <tbody>
              {list.map((e, k) => (
                <tr class={e.id === id ? "chosen" : ""} onClick={() => change({ experiment: e.id })}>
                  <th scope="row">
                    <button type="button" data-experiment={e.id} aria-pressed={e.id === id} onClick={() => change({ experiment: e.id })}>{e.id}</button>
                  </th>
                  <td>{region.get(e.primary_region)?.acronym}</td>
                  <td>{number(e.injection_volume, 2)}</td>
                  <td>{number(errors[model]?.[k], 3)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </aside>
      <div class="rows">
        {problem && <Problem text={problem} />}
        {piece && piece.description.id === id && (
          <Rows {...{ piece, grid, model, prediction, record: list.find((e) => e.id === id), error: errors[model]?.[list.findIndex((e) => e.id === id)] }} />
        )}
      </div>
    </div>
  );
}

interface RowsProps {
  piece: Piece;
  grid: Grid;
  model: string;
  prediction: State["prediction"];
  record: any;
  error: number;
}

function Rows({ piece, grid, model, prediction, record, error }: RowsProps) {
  const [place, setPlace] = useState<Place | null>(null);
  const { names, items, bits } = piece.description;
  const one = (name: string) => vector(piece, names.indexOf(name), items, bits);
  const rows = useMemo(() => {
    const { injection, observed } = piece.arrays;
    const seen = one("projection").map((v, i) => (observed[i] ? v : NaN));
    const predicted = one(`${prediction} ${model}`);
    const residual = predicted.map((v, i) => v - seen[i]);
    const scale = sequential(seen, predicted);
    const unit = "projection density";
    const share = number(100 * record.observed, 3);
    const of = prediction === "fit" ? "fit to all experiments" : "held-out prediction";
    const list: Row[] = [
      { id: "injection", title: "Injection", values: injection, voxels: grid.source, scale: { ...sequential(injection), scheme: "cividis" }, unit: "injected fraction of the voxel", note: `${record.voxels} voxels, ${number(record.injection_volume, 3)} mm³, ${number(100 * record.fraction_inside, 3)} % inside the regions.` },
      { id: "projection", title: "Observed projection", values: seen, voxels: grid.target, scale, unit, note: `Observed in ${share} % of the targets; grey: not observed.` },
      { id: "prediction", title: `${NAMES[model]} model: ${of}`, values: predicted, voxels: grid.target, scale, unit, note: `MSE_rel ${number(error, 4)}` },
      { id: "residual", title: "Residual: prediction − observation", values: residual, voxels: grid.target, scale: diverging(residual.filter((v) => !Number.isNaN(v))), unit, note: "Grey: not observed." },
    ];
    return list;
  }, [piece, model, prediction]);
  const centre = useMemo(() => {
    const { injection } = piece.arrays;
    let best = 0;
    injection.forEach((v, i) => (best = v > injection[best] ? i : best));
    return placeOf(grid.source, best);
  }, [piece]);
  useEffect(() => setPlace(null), [piece]);
  const at = place ?? centre;
  return (
    <>
      <p class="legend" id="experiment-error" aria-live="polite">
        Experiment {piece.description.id}: MSE<sub>rel</sub> of the {prediction === "fit" ? "fit" : "held-out prediction"}{" "}
        <strong data-number="experiment-error">{number(error, 4)}</strong> ({NAMES[model]} model; 0 is perfect, 2 nothing in common).
      </p>
      {rows.map((row) => (
        <Maps key={row.id} {...{ row, grid, place: at, onPlace: setPlace }} choices={grid.target} />
      ))}
    </>
  );
}
