// Connectomes: the projections of a source voxel and the inputs of a target voxel.
import { load, sameGrid, vector, type Piece, type Values } from "./data";
import type { Grid } from "./space";

export type Direction = "out" | "in";

export interface Model {
  name: string;
  description: any;
  regional: Values;
  /** Weights from a source to all targets, or from all sources to a target. */
  weights(direction: Direction, voxel: number): Promise<Float64Array>;
}

export async function loadModel(name: string, grid: Grid): Promise<Model> {
  const key = `models/${name}/model`;
  const piece = sameGrid(await load(key), grid.identity, key);
  const weights = KINDS[piece.description.kind](name, piece, grid);
  return { name, description: piece.description, regional: piece.arrays.regional, weights };
}

type Weights = Model["weights"];

const KINDS: Record<string, (name: string, piece: Piece, grid: Grid) => Weights> = {
  tiles: (name, piece, grid) => async (direction, voxel) => {
    const { bits, per_tile } = piece.description;
    const way = direction === "out" ? "from" : "to";
    const size = per_tile[way];
    const key = `models/${name}/${way}-${Math.floor(voxel / size)}`;
    const tile = sameGrid(await load(key), grid.identity, key);
    return vector(tile, voxel % size, tile.description.items, bits);
  },
  factors: (_name, piece) => async (direction, voxel) => {
    const rank = piece.description.rank;
    const { target_factor: target, source_factor: source } = piece.arrays;
    const [own, others] = direction === "out" ? [source, target] : [target, source];
    const result = new Float64Array(others.length / rank);
    for (let i = 0; i < result.length; i++)
      for (let k = 0; k < rank; k++) result[i] += others[i * rank + k] * own[voxel * rank + k];
    return result;
  },
  profile: (_name, piece, grid) => async (direction, voxel) => {
    const { distance, profile } = piece.arrays;
    const [own, others] =
      direction === "out" ? [grid.source, grid.target] : [grid.target, grid.source];
    const result = new Float64Array(others.count);
    for (let i = 0; i < result.length; i++) {
      let square = 0;
      for (let axis = 0; axis < 3; axis++)
        square += (others.voxel[3 * i + axis] - own.voxel[3 * voxel + axis]) ** 2;
      result[i] = interpolated(Math.sqrt(square) * grid.edge_um, distance, profile);
    }
    return result;
  },
};

function interpolated(x: number, knots: Values, values: Values): number {
  const last = knots.length - 1;
  if (x <= knots[0]) return values[0];
  if (x >= knots[last]) return values[last];
  let k = 0;
  while (x > knots[k + 1]) k++;
  const share = (x - knots[k]) / (knots[k + 1] - knots[k]);
  return (1 - share) * values[k] + share * values[k + 1];
}

export const NAMES: Record<string, string> = {
  voxel: "Voxel",
  linear: "Linear",
  low_rank: "Low rank",
  regional: "Regional",
  kernel: "Kernel",
  distance: "Distance",
  truth: "Truth",
};

export const EXPLAINED: Record<string, string> = {
  voxel: "nonnegative spline regression, the model to use",
  linear: "the same regression without nonnegativity, exact",
  low_rank: "nonnegative spline regression of low rank",
  regional: "one weight for each pair of regions",
  kernel: "experiments averaged by their distance from the source",
  distance: "weights that depend on distance only: a null model",
  truth: "the weights the synthetic brain was made with",
};
