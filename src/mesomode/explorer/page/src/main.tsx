// The page: what is there is loaded, the link is followed, one view is shown.
import { Component, render, type ComponentChildren } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import "./style.css";
import { About } from "./about";
import { Connectome } from "./connectome";
import { load, type Piece } from "./data";
import { Experiments } from "./experiments";
import { loadModel, type Model } from "./model";
import { Networks } from "./networks";
import { Problem } from "./problem";
import { Recordings } from "./recordings";
import { makeGrid, placeOf, type Grid } from "./space";
import { Spectrum } from "./spectrum";
import { START, VIEWS, fromHash, toHash, type State } from "./state";

interface Loaded {
  manifest: any;
  grid: Grid | null;
  models: Map<string, Model>;
}

async function open(): Promise<Loaded> {
  const manifest = (await load("run")).description;
  const grid = manifest.tracing ? makeGrid(await load("tracing/grid")) : null;
  const models = new Map<string, Model>();
  if (grid) {
    const list = await Promise.all(manifest.models.map((name: string) => loadModel(name, grid)));
    for (const model of list) models.set(model.name, model);
  }
  return { manifest, grid, models };
}

/** What to show at first: the middle of the largest region by the first model. */
function beginning({ grid, models }: Loaded): State {
  if (!grid) return { ...START, view: "networks" };
  const sizes = grid.regions.map((r) => r.sources);
  const largest = sizes.indexOf(Math.max(...sizes));
  const members = Array.from({ length: grid.source.count }, (_, i) => i).filter(
    (i) => grid.source.region[i] === largest,
  );
  const mean = [0, 1, 2].map((k) => members.reduce((a, i) => a + grid.source.voxel[3 * i + k], 0) / members.length);
  const off = (i: number) => mean.reduce((a, m, k) => a + (grid.source.voxel[3 * i + k] - m) ** 2, 0);
  const middle = members.reduce((a, i) => (off(i) < off(a) ? i : a));
  const model = models.has("voxel") ? "voxel" : [...models.keys()][0];
  return { ...START, voxel: placeOf(grid.source, middle), model };
}

function usable(state: State, { grid, models }: Loaded, start: State): State {
  const next = { ...state };
  if (!models.has(next.model)) next.model = start.model;
  if (next.compare && (!models.has(next.compare) || next.compare === next.model)) next.compare = "";
  if (!grid && ["connectome", "experiments"].includes(next.view)) next.view = "networks";
  if (grid && next.overlay && next.overlay !== "coverage" && !grid.arrays[next.overlay]) next.overlay = "";
  return next;
}

const TITLES: Record<State["view"], string> = {
  connectome: "Connectome",
  experiments: "Experiments",
  spectrum: "Spectrum",
  networks: "Networks",
  recordings: "Recordings",
  about: "About",
};

function App({ loaded }: { loaded: Loaded }) {
  const start = useMemo(() => beginning(loaded), [loaded]);
  const [state, setState] = useState(() => usable(fromHash(location.hash, start), loaded, start));
  const heading = useRef<HTMLElement>(null);
  const change = (changes: Partial<State>) => setState((old) => usable({ ...old, ...changes }, loaded, start));
  useEffect(() => {
    const hash = toHash(state);
    if (hash !== location.hash) history.replaceState(null, "", hash);
    document.title = `${TITLES[state.view]} · ${loaded.manifest.run} · mesomode`;
  }, [state]);
  useEffect(() => {
    const follow = () => setState((old) => usable(fromHash(location.hash, old), loaded, start));
    addEventListener("hashchange", follow);
    return () => removeEventListener("hashchange", follow);
  }, []);
  const views = VIEWS.filter((v) => loaded.grid || !["connectome", "experiments"].includes(v));
  const { grid, models, manifest } = loaded;
  return (
    <>
      <a class="skip" href="#main" onClick={(e) => { e.preventDefault(); heading.current?.focus(); }}>Skip to the content</a>
      <header class="top">
        <p class="brand">mesomode <span>{manifest.run}</span></p>
        <nav aria-label="Views">
          {views.map((view) => (
            <a href={`#view=${view}`} aria-current={state.view === view ? "page" : undefined} onClick={(e) => { e.preventDefault(); change({ view }); }}>{TITLES[view]}</a>
          ))}
        </nav>
      </header>
      <main id="main" tabIndex={-1} ref={heading} data-view={state.view}>
        {!grid && (
          <p class="page without" role="note">
            The connectome of this run was read from a file, which does not say where its units lie: there are no maps and
            no tracer experiments here. Spectrum, networks and recordings are.
          </p>
        )}
        <Guarded key={state.view}>
          {state.view === "connectome" && grid && <Connectome {...{ state, change, grid, models }} />}
          {state.view === "experiments" && grid && <Experiments {...{ state, change, grid }} />}
          {state.view === "spectrum" && <WithNetworks show={(piece) => <Spectrum piece={piece} />} />}
          {state.view === "networks" && <WithNetworks show={(piece) => <Networks {...{ piece, state, change }} />} />}
          {state.view === "recordings" && <WithNetworks show={(piece) => <Recordings piece={piece} />} />}
          {state.view === "about" && <About {...{ manifest, grid, models }} />}
        </Guarded>
      </main>
    </>
  );
}

function WithNetworks({ show }: { show(piece: Piece): ComponentChildren }) {
  const [piece, setPiece] = useState<Piece | null>(null);
  const [problem, setProblem] = useState("");
  useEffect(() => {
    load("networks/networks").then(setPiece, (error) => setProblem(error.message));
  }, []);
  if (problem) return <div class="page"><Problem text={problem} /></div>;
  return <>{piece ? show(piece) : <p class="loading">Loading…</p>}</>;
}

class Guarded extends Component<{ children: ComponentChildren }, { problem: string }> {
  state = { problem: "" };
  static getDerivedStateFromError(error: Error) {
    return { problem: `This view could not be drawn: ${error.message}. Make the explorer again.` };
  }
  render() {
    return this.state.problem ? <div class="page"><Problem text={this.state.problem} /></div> : this.props.children;
  }
}

const root = document.getElementById("app")!;
open().then(
  (loaded) => {
    root.replaceChildren();
    render(<App loaded={loaded} />, root);
  },
  (error) => {
    root.replaceChildren();
    render(<div class="page"><Problem text={error.message} /></div>, root);
  },
);
