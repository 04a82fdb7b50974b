// Where the numbers come from, how exact they are, and how the page is used.
import type { Grid } from "./space";
import type { Model } from "./model";
import { NAMES } from "./model";

export function About({ manifest, grid, models }: { manifest: any; grid: Grid | null; models: Map<string, Model> }) {
  const source = grid?.description.source ?? {};
  const sent = (d: any) =>
    d.kind === "tiles"
      ? `tiles of ${d.bits}-bit codes, within ${(100 * d.error).toPrecision(2)} % of the range of each row or column`
      : d.kind === "factors"
        ? `factors of rank ${d.rank}, within ${d.error.toExponential(1)} of the largest weight`
        : `function of distance, within ${d.error.toExponential(1)} of the largest weight`;
  return (
    <div class="page prose">
      <h2>About this page</h2>
      <p>
        It shows the run <strong>{manifest.run}</strong> from {manifest.files} data file{manifest.files === 1 ? "" : "s"} ({(manifest.bytes / 1e6).toFixed(1)} MB)
        beside it, of which it reads only what you look at. It needs no network and no server. The address in your
        browser says what is shown: send it with the folder, or to somebody who has it.
      </p>
      {grid && <h3>How to use it</h3>}
      {grid && <ul>
        <li>Click or tap a map to choose the voxel whose connections are shown; with the mouse you may also drag.</li>
        <li>Arrow keys move the voxel in the plane of the focused map, page up and page down across it.</li>
        <li>Hover over a map to read values. From above, a pixel shows the voxel with the largest weight over depth.</li>
        <li>Switch between what a voxel projects to and what projects to it; compare two models; see where the data say nothing.</li>
      </ul>}
      {grid && (
        <>
          <h3>What the colours mean</h3>
          <p>
            Weights are projection density per unit injection: the labelled fraction of a target voxel if the source voxel
            were injected wholly and alone. {grid.source.count.toLocaleString("en")} source and {grid.target.count.toLocaleString("en")} target
            voxels of {grid.edge_um} µm. Hatched: source voxels of which the experiments say nothing; the reason is given
            for each. The variance is that of the linear model, the bootstrap that of its means between regions.
          </p>
          <h3>How the weights are sent</h3>
          <ul id="sent">
            {[...models].map(([name, model]) => <li>{NAMES[name] ?? name}: {sent(model.description)}.</li>)}
          </ul>
          <h3>Data and terms</h3>
          <p>{source.source}. {source.citation}. {source.terms}</p>
        </>
      )}
      <p>Libraries in this page and their licences: <a href="licences.txt">licences.txt</a>.</p>
    </div>
  );
}
