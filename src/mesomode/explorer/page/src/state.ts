// What is shown, and the link that says it.
import type { Place } from "./space";

export interface State {
  view: "connectome" | "experiments" | "spectrum" | "networks" | "recordings" | "about";
  voxel: Place | null;
  direction: "out" | "in";
  model: string;
  compare: string; // "": nothing
  overlay: string; // "": nothing; "coverage" or a quantity
  experiment: number | null;
  prediction: "fit" | "held out";
  network: number[];
  activity: "phi" | "x";
}

export const VIEWS: State["view"][] = [
  "connectome", "experiments", "spectrum", "networks", "recordings", "about",
];

export const START: State = {
  view: "connectome",
  voxel: null,
  direction: "out",
  model: "",
  compare: "",
  overlay: "coverage",
  experiment: null,
  prediction: "fit",
  network: [],
  activity: "phi",
};

export function toHash(state: State): string {
  const words = new URLSearchParams();
  words.set("view", state.view);
  if (state.view === "connectome") {
    if (state.voxel) words.set("voxel", state.voxel.join("-"));
    words.set("show", state.direction === "out" ? "projections" : "inputs");
    words.set("model", state.model);
    if (state.compare) words.set("compare", state.compare);
    words.set("overlay", state.overlay || "none");
  }
  if (state.view === "experiments") {
    if (state.experiment !== null) words.set("experiment", String(state.experiment));
    words.set("model", state.model);
    words.set("prediction", state.prediction === "fit" ? "fit" : "held-out");
  }
  if (state.view === "networks") {
    words.set("network", state.network.join("-"));
    words.set("activity", state.activity);
  }
  return `#${words}`;
}

/** The state that a link asks for; what it does not mention stays. */
export function fromHash(hash: string, state: State): State {
  const words = new URLSearchParams(hash.replace(/^#/, ""));
  const next = { ...state };
  const view = words.get("view") as State["view"];
  if (VIEWS.includes(view)) next.view = view;
  const numbers = (name: string) => (words.get(name) ?? "").split("-").filter(Boolean).map(Number);
  const voxel = numbers("voxel");
  if (voxel.length === 3 && voxel.every(Number.isInteger)) next.voxel = voxel as Place;
  const show = words.get("show");
  if (show) next.direction = show === "inputs" ? "in" : "out";
  if (words.get("model")) next.model = words.get("model")!;
  if (view === "connectome") next.compare = words.get("compare") ?? "";
  const overlay = words.get("overlay");
  if (overlay) next.overlay = overlay === "none" ? "" : overlay;
  const experiment = Number(words.get("experiment"));
  if (experiment) next.experiment = experiment;
  const prediction = words.get("prediction");
  if (prediction) next.prediction = prediction === "fit" ? "fit" : "held out";
  if (words.has("network")) next.network = numbers("network").filter(Number.isInteger);
  const activity = words.get("activity");
  if (activity) next.activity = activity === "x" ? "x" : "phi";
  return next;
}
