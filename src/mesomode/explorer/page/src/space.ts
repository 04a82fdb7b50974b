// Voxels, the views on them, and how a place on a view becomes a voxel.
import type { Piece, Values } from "./data";

export type Place = [number, number, number];
export const AXES = ["ap", "dv", "ml"] as const;
export const AXIS_NAMES = ["antero-posterior", "dorso-ventral", "medio-lateral"];

export interface Voxels {
  count: number;
  voxel: Values; // (voxel, 3)
  region: Values; // index in the table of regions
  at(place: Place): number; // −1: none
}

export interface Region {
  id: number;
  acronym: string;
  name: string;
  rgb: number[];
  sources: number;
  targets: number;
}

export interface Grid {
  identity: string;
  edge_um: number;
  source: Voxels;
  target: Voxels;
  side: Values;
  regions: Region[];
  low: Place; // of all voxels
  high: Place;
  description: any;
  arrays: Piece["arrays"];
  shapes: Piece["shapes"];
}

export function makeGrid(piece: Piece): Grid {
  const { arrays, shapes, description } = piece;
  const voxels = (name: string): Voxels => {
    const voxel = arrays[`${name}_voxel`];
    const place = new Map<number, number>();
    const count = voxel.length / 3;
    for (let i = 0; i < count; i++) place.set(code(voxel, 3 * i), i);
    return {
      count,
      voxel,
      region: arrays[`${name}_region`],
      at: (p) => place.get(code(p, 0)) ?? -1,
    };
  };
  const source = voxels("source");
  const target = voxels("target");
  const low: Place = [Infinity, Infinity, Infinity];
  const high: Place = [-Infinity, -Infinity, -Infinity];
  for (const { voxel } of [source, target])
    for (let i = 0; i < voxel.length; i++) {
      low[i % 3] = Math.min(low[i % 3], voxel[i]);
      high[i % 3] = Math.max(high[i % 3], voxel[i]);
    }
  return {
    identity: description.grid,
    edge_um: description.resolution_um,
    source,
    target,
    side: arrays.target_side,
    regions: description.regions,
    low,
    high,
    description,
    arrays,
    shapes,
  };
}

const code = (values: ArrayLike<number>, start: number) =>
  (values[start] * 4096 + values[start + 1]) * 4096 + values[start + 2];

export const placeOf = (voxels: Voxels, i: number): Place => [
  voxels.voxel[3 * i],
  voxels.voxel[3 * i + 1],
  voxels.voxel[3 * i + 2],
];

/** Pixels of a picture, and the voxels behind each, the one nearest to the viewer first. */
export interface View {
  name: string;
  title: string;
  width: number;
  height: number;
  start: Int32Array;
  voxels: Int32Array;
  /** Axes of the grid along rows and columns, and normal to the picture; −1: none. */
  row: number;
  column: number;
  normal: number;
  /** Index of the first row and column. */
  first: [number, number];
}

const MARGIN = 1;
const SECTIONS: Record<string, [number, number, number]> = {
  coronal: [0, 1, 2],
  sagittal: [2, 1, 0],
  horizontal: [1, 0, 2],
};
export const VIEW_NAMES = ["dorsal", ...Object.keys(SECTIONS)];

export function viewOf(name: string, grid: Grid, voxels: Voxels, place: Place): View {
  if (name === "flatmap") return flatmap(grid, voxels);
  const [normal, row, column] = name === "dorsal" ? [1, 0, 2] : SECTIONS[name];
  const first: [number, number] = [grid.low[row] - MARGIN, grid.low[column] - MARGIN];
  const height = grid.high[row] - first[0] + 1 + MARGIN;
  const width = grid.high[column] - first[1] + 1 + MARGIN;
  const lists: number[][] = Array.from({ length: width * height }, () => []);
  for (let i = 0; i < voxels.count; i++) {
    if (name !== "dorsal" && voxels.voxel[3 * i + normal] !== place[normal]) continue;
    const r = voxels.voxel[3 * i + row] - first[0];
    const c = voxels.voxel[3 * i + column] - first[1];
    lists[r * width + c].push(i);
  }
  if (name === "dorsal")
    for (const list of lists) list.sort((a, b) => voxels.voxel[3 * a + 1] - voxels.voxel[3 * b + 1]);
  const millimetres = ((place[normal] + 0.5) * grid.edge_um) / 1000;
  const title =
    name === "dorsal"
      ? "From above"
      : `${name[0].toUpperCase()}${name.slice(1)}, ${AXES[normal]} ${millimetres.toFixed(2)} mm`;
  return { name, title, width, height, row, column, normal, first, ...packed(lists) };
}

function packed(lists: number[][]): { start: Int32Array; voxels: Int32Array } {
  const start = new Int32Array(lists.length + 1);
  lists.forEach((list, i) => (start[i + 1] = start[i] + list.length));
  return { start, voxels: Int32Array.from(lists.flat()) };
}

function flatmap(grid: Grid, voxels: Voxels): View {
  const [height, width] = grid.arrays.flatmap_shape as Int32Array;
  const start = grid.arrays.flatmap_start;
  const lists = Array.from({ length: width * height }, (_, pixel) => {
    const list: number[] = [];
    for (let k = start[pixel]; k < start[pixel + 1]; k++) {
      const target = grid.arrays.flatmap_voxel[k];
      const found = voxels === grid.target ? target : voxels.at(placeOf(grid.target, target));
      if (found >= 0) list.push(found);
    }
    return list;
  });
  const rest = { row: -1, column: -1, normal: -1, first: [0, 0] as [number, number] };
  return { name: "flatmap", title: "Flatmap", width, height, ...rest, ...packed(lists) };
}

/** Largest magnitude behind each pixel, with its sign; NaN: no voxel, or nothing is known. */
export function project(view: View, values: ArrayLike<number>): Float64Array {
  const image = new Float64Array(view.width * view.height).fill(NaN);
  for (let p = 0; p < image.length; p++)
    for (let k = view.start[p]; k < view.start[p + 1]; k++) {
      const value = values[view.voxels[k]];
      if (Number.isNaN(image[p]) || Math.abs(value) > Math.abs(image[p])) image[p] = value;
    }
  return image;
}

/** Regions of the pixels: that of the voxel nearest to the viewer; −1: none. */
export function regionsOf(view: View, voxels: Voxels): Int32Array {
  const image = new Int32Array(view.width * view.height).fill(-1);
  for (let p = 0; p < image.length; p++)
    if (view.start[p + 1] > view.start[p]) image[p] = voxels.region[view.voxels[view.start[p]]];
  return image;
}

/** Borders between pixels of different values, in pixels: x0, y0, x1, y1 of each edge. */
export function borders(image: ArrayLike<number>, width: number, height: number): number[] {
  const edges: number[] = [];
  const at = (r: number, c: number) =>
    r < 0 || c < 0 || r >= height || c >= width ? -1 : image[r * width + c];
  for (let r = 0; r <= height; r++)
    for (let c = 0; c <= width; c++) {
      if (at(r, c) !== at(r - 1, c)) edges.push(c, r, c + 1, r);
      if (at(r, c) !== at(r, c - 1)) edges.push(c, r, c, r + 1);
    }
  return edges;
}

/** Where the name of each region is best written: its pixel nearest to its middle. */
export function labels(image: Int32Array, width: number): { region: number; x: number; y: number }[] {
  const pixels = new Map<number, number[]>();
  image.forEach((region, p) => {
    if (region >= 0) pixels.set(region, [...(pixels.get(region) ?? []), p]);
  });
  return [...pixels].map(([region, list]) => {
    const x = list.reduce((a, p) => a + (p % width), 0) / list.length;
    const y = list.reduce((a, p) => a + Math.floor(p / width), 0) / list.length;
    const off = (p: number) => ((p % width) - x) ** 2 + (Math.floor(p / width) - y) ** 2;
    const best = list.reduce((a, p) => (off(p) < off(a) ? p : a));
    return { region, x: (best % width) + 0.5, y: Math.floor(best / width) + 0.5 };
  });
}

/** The voxel to take for a pixel: the middle one behind it; −1: none within two pixels. */
export function pick(view: View, x: number, y: number): number {
  let found = -1;
  let nearest = 2.2;
  for (let r = Math.floor(y) - 2; r <= y + 2; r++)
    for (let c = Math.floor(x) - 2; c <= x + 2; c++) {
      if (r < 0 || c < 0 || r >= view.height || c >= view.width) continue;
      const p = r * view.width + c;
      const count = view.start[p + 1] - view.start[p];
      const off = Math.hypot(c + 0.5 - x, r + 0.5 - y);
      if (count && off < nearest) {
        nearest = off;
        found = view.voxels[view.start[p] + (count >> 1)];
      }
    }
  return found;
}

/** The next voxel along an axis: near, and as little beside the line as possible; itself: none. */
export function neighbour(voxels: Voxels, from: number, axis: number, sign: number): number {
  let best = from;
  let least = Infinity;
  for (let i = 0; i < voxels.count; i++) {
    const ahead = sign * (voxels.voxel[3 * i + axis] - voxels.voxel[3 * from + axis]);
    if (ahead <= 0) continue;
    let cost = ahead;
    for (let other = 0; other < 3; other++)
      if (other !== axis)
        cost += 2 * Math.abs(voxels.voxel[3 * i + other] - voxels.voxel[3 * from + other]);
    if (cost < least) {
      least = cost;
      best = i;
    }
  }
  return best;
}
