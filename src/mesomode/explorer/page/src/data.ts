// Pieces of data, each a classic script that hands a container to mesomode(key, text).

export const FORMAT = 1;

export type Values = Float64Array | Float32Array | Int32Array | Uint16Array | Uint8Array;
export interface Piece {
  description: any;
  arrays: Record<string, Values>;
  shapes: Record<string, number[]>;
  bytes: number;
}

export class DataError extends Error {}

const arrived = new Map<string, string>();
const kept = new Map<string, Promise<Piece>>();
const KEPT_AT_MOST = 120;

(globalThis as any).mesomode = (key: string, text: string) => arrived.set(key, text);

/** Load a piece; the same promise for the same key as long as it is kept. */
export function load(key: string): Promise<Piece> {
  const known = kept.get(key);
  if (known) {
    kept.delete(key);
    kept.set(key, known); // the latest used is the last to go
    return known;
  }
  const promise = script(key).then(unpack);
  promise.catch(() => kept.delete(key));
  kept.set(key, promise);
  for (const old of kept.keys()) {
    if (kept.size <= KEPT_AT_MOST) break;
    if (/-\d+$/.test(old)) kept.delete(old);
  }
  return promise;
}

function script(key: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const element = document.createElement("script");
    const file = `data/${key}.js`;
    element.src = file;
    element.onload = () => {
      element.remove();
      const text = arrived.get(key);
      arrived.delete(key);
      if (text === undefined)
        reject(new DataError(`${file} is damaged: it is cut off or belongs to another page.`));
      else resolve(`${key}\n${text}`);
    };
    element.onerror = () => {
      element.remove();
      reject(
        new DataError(`${file} is missing. Keep the folder "data" beside index.html as it was made.`),
      );
    };
    document.head.append(element);
  });
}

async function unpack(named: string): Promise<Piece> {
  const cut = named.indexOf("\n");
  const key = named.slice(0, cut);
  try {
    const packed = Uint8Array.from(atob(named.slice(cut + 1)), (c) => c.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    const raw = await new Response(stream).arrayBuffer();
    const length = new DataView(raw).getUint32(0, true);
    const header = JSON.parse(new TextDecoder().decode(new Uint8Array(raw, 4, length)));
    if (header.format !== FORMAT)
      throw new Error(`its format is ${header.format}, this page reads ${FORMAT}`);
    const arrays: Record<string, Values> = {};
    const shapes: Record<string, number[]> = {};
    for (const [name, place] of Object.entries<any>(header.arrays)) {
      const count = place.shape.reduce((a: number, b: number) => a * b, 1);
      arrays[name] = new TYPES[place.type](raw, 4 + length + place.start, count);
      shapes[name] = place.shape;
    }
    return { description: header.description, arrays, shapes, bytes: named.length };
  } catch (error) {
    throw new DataError(`data/${key}.js is damaged: ${(error as Error).message}.`);
  }
}

const TYPES: Record<string, any> = {
  uint8: Uint8Array,
  uint16: Uint16Array,
  int32: Int32Array,
  float32: Float32Array,
  float64: Float64Array,
};

/** Values of one vector of codes, see arrange in quantising.py: both sums of differences. */
export function vector(piece: Piece, number: number, items: number, bits: number): Float64Array {
  const codes = piece.arrays.codes;
  const most = 2 ** bits - 1;
  const lows = bits === 8 ? 0 : codes.length / 2; // the high bytes come before them
  const sums = new Int32Array(items);
  for (let row = 0; row <= number; row++)
    for (let i = 0, k = row * items; i < items; i++, k++)
      sums[i] += bits === 8 ? codes[k] : (codes[k] << 8) | codes[lows + k];
  const step = piece.arrays.step[number];
  const zero = piece.arrays.zero[number];
  const result = new Float64Array(items);
  let code = 0;
  for (let i = 0; i < items; i++) {
    code = (code + sums[i]) & most;
    result[i] = (code - zero) * step;
  }
  return result;
}

/** Refuse a piece that was made for other voxels. */
export function sameGrid(piece: Piece, grid: string, key: string): Piece {
  if (piece.description.grid !== grid)
    throw new DataError(
      `data/${key}.js belongs to another run: its voxels are others. Make the explorer again.`,
    );
  return piece;
}
