"""The stage ``explorer``, its page: sources → a folder of a few files, shared by all runs."""

from __future__ import annotations

from mesomode.steps import Output, logger, step


@step
def explorer_page(*, out: Output) -> None:
    """Build the explorer's page; the libraries it uses are downloaded once.

    Parameters
    ----------
    out : Path
        Folder of the built page.

    Raises
    ------
    MesomodeError
        There is no node, or the npm registry cannot be reached.
    """
    import shutil
    import tempfile
    from pathlib import Path

    from mesomode.explorer.building import BUILT, build_page
    from mesomode.explorer.folders import whole_folder

    out.parent.mkdir(parents=True, exist_ok=True)
    cache = out.parent / "npm"
    with tempfile.TemporaryDirectory(prefix=".build-", dir=out.parent) as work:
        built = build_page(Path(work), cache, logger)
        with whole_folder(out) as folder:
            for name in BUILT:
                shutil.copyfile(built / name, folder / name)
    size = sum(file.stat().st_size for file in out.iterdir())
    logger.info("the page takes %.0f kB", size / 1e3)
