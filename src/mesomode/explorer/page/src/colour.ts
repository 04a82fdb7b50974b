// Colour scales that colour-blind readers can tell apart.
import { interpolateCividis, interpolateViridis } from "d3-scale-chromatic";

export type Scheme = "viridis" | "cividis" | "difference" | "classes";
type Table = Uint8ClampedArray; // 256 × rgb

const table = (colour: (t: number) => [number, number, number]): Table => {
  const result = new Uint8ClampedArray(768);
  for (let i = 0; i < 256; i++) result.set(colour(i / 255), 3 * i);
  return result;
};
const parsed = (text: string): [number, number, number] => {
  if (text.startsWith("#"))
    return [1, 3, 5].map((k) => parseInt(text.slice(k, k + 2), 16)) as [number, number, number];
  return text.match(/\d+/g)!.slice(0, 3).map(Number) as [number, number, number];
};
const STOPS = ["#08519c", "#4292c6", "#a6cee3", "#f7f5f2", "#fdbe85", "#e6770b", "#8c3b04"];
const blueOrange = (t: number): [number, number, number] => {
  const at = Math.min(t * (STOPS.length - 1), STOPS.length - 1.000001);
  const k = Math.floor(at);
  const [a, b] = [parsed(STOPS[k]), parsed(STOPS[k + 1])];
  return [0, 1, 2].map((i) => a[i] + (at - k) * (b[i] - a[i])) as [number, number, number];
};
const TABLES: Record<Scheme, Table> = {
  viridis: table((t) => parsed(interpolateViridis(t))),
  cividis: table((t) => parsed(interpolateCividis(t))),
  difference: table(blueOrange),
  classes: table((t) => parsed(interpolateCividis(1 - t))),
};

export interface Scale {
  scheme: Scheme;
  low: number;
  high: number;
}

export function rgb(scale: Scale, value: number): [number, number, number] {
  const range = scale.high - scale.low || 1;
  const k = 3 * Math.round(255 * Math.min(1, Math.max(0, (value - scale.low) / range)));
  const colours = TABLES[scale.scheme];
  return [colours[k], colours[k + 1], colours[k + 2]];
}

export function gradient(scheme: Scheme): string {
  const stops = Array.from({ length: 17 }, (_, i) => {
    const [r, g, b] = rgb({ scheme, low: 0, high: 16 }, i);
    return `rgb(${r},${g},${b})`;
  });
  return `linear-gradient(to right, ${stops.join(",")})`;
}

/** From zero (or below, if there is something below) to the largest of all vectors. */
export function sequential(...vectors: ArrayLike<number>[]): Scale {
  let [low, high] = [0, 0];
  for (const values of vectors)
    for (let i = 0; i < values.length; i++) {
      if (values[i] > high) high = values[i];
      if (values[i] < low) low = values[i];
    }
  return { scheme: "viridis", low, high };
}

export function diverging(values: ArrayLike<number>): Scale {
  const { low, high } = sequential(values);
  const most = Math.max(-low, high);
  return { scheme: "difference", low: -most, high: most };
}

/** Categorical colours of Okabe and Ito, that all readers can tell apart. */
export const SERIES = [
  "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#8a8a8a", "#b2a000",
];

/** A number and its standard error, as far as they are known. */
export function measured(value: number | undefined, error: number | undefined): string {
  const known = value !== undefined && Number.isFinite(value);
  return known && Number.isFinite(error) ? `${number(value)} ± ${number(error, 2)}` : number(value);
}

export function number(value: number | null | undefined, digits = 4): string {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (value === 0) return "0";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  if (size >= 1e5 || size < 1e-4) {
    const [mantissa, exponent] = value.toExponential(digits - 1).split("e");
    const raised = [...String(Number(exponent))].map((c) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(c)]);
    return `${mantissa.replace("-", "−")}·10${raised.join("")}`;
  }
  return Number(value.toPrecision(digits)).toString().replace("-", "−");
}
