// A row of maps of one vector: from above, on the flatmap, and in three sections.
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { gradient, number, rgb, type Scale } from "./colour";
import {
  AXES, VIEW_NAMES, borders, labels, neighbour, pick, placeOf, project, regionsOf, viewOf,
  type Grid, type Place, type View, type Voxels,
} from "./space";

export interface Row {
  title: string;
  id: string;
  values: ArrayLike<number>;
  voxels: Voxels;
  scale: Scale;
  unit: string;
  /** Voxels to be hatched, 1: yes. */
  hatched?: Uint8Array;
  note?: string;
}

interface MapsProps {
  row: Row;
  grid: Grid;
  /** Voxels that can be chosen, which may be others than those shown. */
  choices: Voxels;
  place: Place;
  onPlace(place: Place): void;
}

export function Maps({ row, grid, choices, place, onPlace }: MapsProps) {
  const [hover, setHover] = useState("");
  const names = grid.arrays.flatmap_shape ? ["dorsal", "flatmap", ...VIEW_NAMES.slice(1)] : VIEW_NAMES;
  // all maps of a row have voxels of the same size
  const columns = useMemo(
    () => names.map((name) => `minmax(0, ${viewOf(name, grid, grid.source, place).width}fr)`).join(" "),
    [grid],
  );
  return (
    <section class="row" aria-label={row.title} data-row={row.id}>
      <header>
        <h3>{row.title}</h3>
        <ColourBar scale={row.scale} unit={row.unit} />
      </header>
      <div class="maps" style={{ "--columns": columns }}>
        {names.map((name) => (
          <MapCanvas key={name} {...{ name, row, grid, choices, place, onPlace, setHover }} />
        ))}
      </div>
      <p class="readout" aria-hidden="true">
        {hover || row.note || " "}
      </p>
    </section>
  );
}

export function ColourBar({ scale, unit }: { scale: Scale; unit: string }) {
  return (
    <div class="colourbar" role="img" aria-label={`Colours from ${number(scale.low, 3)} to ${number(scale.high, 3)}, ${unit}`}>
      <span>{number(scale.low, 3)}</span>
      <i style={{ background: gradient(scale.scheme) }} />
      <span>{number(scale.high, 3)}</span>
      <em>{unit}</em>
    </div>
  );
}

interface CanvasProps extends MapsProps {
  name: string;
  setHover(text: string): void;
}

const KEYS: Record<string, ["row" | "column" | "normal", number]> = {
  ArrowUp: ["row", -1],
  ArrowDown: ["row", 1],
  ArrowLeft: ["column", -1],
  ArrowRight: ["column", 1],
  PageUp: ["normal", -1],
  PageDown: ["normal", 1],
};

function MapCanvas({ name, row, grid, choices, place, onPlace, setHover }: CanvasProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [size, setSize] = useState(0);
  const plane = name === "dorsal" || name === "flatmap" ? "" : place.join();
  const view = useMemo(() => viewOf(name, grid, row.voxels, place), [name, grid, row.voxels, plane]);
  const chosen = useMemo(
    () => (row.voxels === choices ? view : viewOf(name, grid, choices, place)),
    [view, choices],
  );
  const regions = useMemo(() => regionsOf(view, row.voxels), [view]);

  useLayoutEffect(() => {
    const watcher = new ResizeObserver(() => setSize(canvas.current?.clientWidth ?? 0));
    watcher.observe(canvas.current!);
    return () => watcher.disconnect();
  }, []);
  useLayoutEffect(() => draw(canvas.current!, view, regions, row, grid, place, name), [
    view, regions, row, place, size,
  ]);

  const pixelAt = (event: MouseEvent): [number, number] => {
    const box = canvas.current!.getBoundingClientRect();
    return [
      ((event.clientX - box.left) / box.width) * view.width,
      ((event.clientY - box.top) / box.height) * view.height,
    ];
  };
  const choose = (event: MouseEvent) => {
    const found = pick(chosen, ...pixelAt(event));
    if (found >= 0) onPlace(placeOf(choices, found));
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const key = KEYS[event.key];
    const from = choices.at(place);
    if (!key || from < 0) return;
    const axis = view.row < 0 ? { row: 0, column: 2, normal: 1 }[key[0]] : view[key[0]];
    event.preventDefault();
    onPlace(placeOf(choices, neighbour(choices, from, axis, key[1])));
  };
  const onPointerMove = (event: PointerEvent) => {
    if (event.buttons === 1 && event.pointerType !== "touch") choose(event);
    const [x, y] = pixelAt(event).map(Math.floor);
    const p = y * view.width + x;
    const inside = x >= 0 && y >= 0 && x < view.width && y < view.height;
    if (!inside || view.start[p] === view.start[p + 1]) return setHover("");
    const value = project(view, row.values)[p];
    const region = grid.regions[regions[p]];
    const at = placeOf(row.voxels, view.voxels[view.start[p]]);
    const many = view.start[p + 1] - view.start[p] > 1 ? ", largest over depth" : "";
    setHover(`${region.acronym} at ${at.map((i, k) => `${AXES[k]} ${mm(i, grid)}`).join(", ")} mm: ${number(value)}${many}`);
  };
  return (
    <figure class={`map map-${name}`}>
      <canvas
        ref={canvas}
        tabIndex={0}
        role="application"
        aria-roledescription="map"
        aria-label={`${row.title}. ${view.title}. Click, or use the arrow keys and page up and down, to choose a voxel.`}
        data-view={name}
        data-columns={view.width}
        data-rows={view.height}
        style={{ aspectRatio: `${view.width} / ${view.height}` }}
        onClick={choose}
        onKeyDown={onKeyDown}
        onPointerMove={onPointerMove}
        onPointerLeave={() => setHover("")}
      />
      <figcaption>{view.title}</figcaption>
    </figure>
  );
}

const mm = (index: number, grid: Grid) => (((index + 0.5) * grid.edge_um) / 1000).toFixed(2);

function draw(
  canvas: HTMLCanvasElement, view: View, regions: Int32Array, row: Row, grid: Grid,
  place: Place, name: string,
): void {
  const ratio = window.devicePixelRatio || 1;
  const width = Math.max(1, Math.round(canvas.clientWidth * ratio));
  const height = Math.max(1, Math.round((width * view.height) / view.width));
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  const context = canvas.getContext("2d")!;
  context.clearRect(0, 0, width, height);
  const small = document.createElement("canvas");
  small.width = view.width;
  small.height = view.height;
  const pixels = new ImageData(view.width, view.height);
  const image = project(view, row.values);
  for (let p = 0; p < image.length; p++) {
    if (view.start[p] === view.start[p + 1]) continue;
    const colour = Number.isNaN(image[p]) ? [150, 150, 150] : rgb(row.scale, image[p]);
    pixels.data.set([...colour, 255], 4 * p);
  }
  small.getContext("2d")!.putImageData(pixels, 0, 0);
  context.imageSmoothingEnabled = false;
  context.drawImage(small, 0, 0, width, height);
  const unit = width / view.width;
  const ink = row.scale.scheme === "difference" ? "#2b2b2b" : "rgba(255,255,255,.9)";
  if (row.hatched) hatch(context, view, row.hatched, unit, ratio);
  context.lineCap = "round";
  const path = new Path2D();
  const edges = borders(regions, view.width, view.height);
  for (let i = 0; i < edges.length; i += 4) {
    path.moveTo(edges[i] * unit, edges[i + 1] * unit);
    path.lineTo(edges[i + 2] * unit, edges[i + 3] * unit);
  }
  context.strokeStyle = ink;
  context.lineWidth = 1.3 * ratio;
  context.stroke(path);
  if (name === "dorsal" || name === "flatmap") {
    context.font = `600 ${10.5 * ratio}px system-ui, sans-serif`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.lineJoin = "round";
    for (const { region, x, y } of labels(regions, view.width)) {
      const text = grid.regions[region].acronym;
      context.lineWidth = 3 * ratio;
      context.strokeStyle = "rgba(0,0,0,.55)";
      context.strokeText(text, x * unit, y * unit);
      context.fillStyle = "#fff";
      context.fillText(text, x * unit, y * unit);
    }
  }
  mark(context, view, row.voxels, place, unit, ratio);
}

function hatch(
  context: CanvasRenderingContext2D, view: View, hatched: Uint8Array, unit: number, ratio: number,
): void {
  context.save();
  context.beginPath();
  for (let p = 0; p < view.width * view.height; p++) {
    const [begin, end] = [view.start[p], view.start[p + 1]];
    if (begin === end) continue;
    let all = true;
    for (let k = begin; k < end; k++) all &&= hatched[view.voxels[k]] === 1;
    if (all) context.rect((p % view.width) * unit, Math.floor(p / view.width) * unit, unit, unit);
  }
  context.clip();
  const gap = 5 * ratio;
  for (const [colour, wide] of [["rgba(0,0,0,.75)", 2.6], ["#fff", 1.1]] as const) {
    context.strokeStyle = colour;
    context.lineWidth = wide * ratio;
    context.beginPath();
    const [w, h] = [view.width * unit, view.height * unit];
    for (let x = -h; x < w; x += gap) {
      context.moveTo(x, h);
      context.lineTo(x + h, 0);
    }
    context.stroke();
  }
  context.restore();
}

/** The cross at the chosen voxel; on the flatmap, at the pixels that it lies behind. */
function mark(
  context: CanvasRenderingContext2D, view: View, voxels: Voxels, place: Place, unit: number,
  ratio: number,
): void {
  let [x, y] = [place[view.column] - view.first[1] + 0.5, place[view.row] - view.first[0] + 0.5];
  if (view.row < 0) {
    const wanted = voxels.at(place);
    let [sumX, sumY, count] = [0, 0, 0];
    for (let p = 0; p < view.width * view.height; p++)
      for (let k = view.start[p]; k < view.start[p + 1]; k++)
        if (view.voxels[k] === wanted) {
          sumX += (p % view.width) + 0.5;
          sumY += Math.floor(p / view.width) + 0.5;
          count++;
        }
    if (!count) return;
    [x, y] = [sumX / count, sumY / count];
  }
  for (const [colour, wide, long] of [["#000", 4, 8], ["#fff", 2, 7]] as const) {
    context.strokeStyle = colour;
    context.lineWidth = wide * ratio;
    const arm = long * ratio;
    context.beginPath();
    context.moveTo(x * unit - arm, y * unit);
    context.lineTo(x * unit + arm, y * unit);
    context.moveTo(x * unit, y * unit - arm);
    context.lineTo(x * unit, y * unit + arm);
    context.stroke();
  }
}
