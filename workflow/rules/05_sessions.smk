"""Names, stores and figures of sessions, and what is compared: known now, or once the lists have been fetched."""

OWN_RECORDING = f"{RUN}/recordings/own/{{session}}.h5"


def session_names(wildcards):
    if PLAN.selects:
        return PLAN.sessions_in(checkpoints.fetch_recordings.get().output.manifest)
    return PLAN.sessions


def session_file(wildcards):
    return SESSION if wildcards.session.isdigit() else OWN_RECORDING


def session_stores(wildcards):
    return expand(f"{RUN}/recordings/{{session}}.zarr", session=session_names(wildcards))


def session_figures(wildcards):
    return expand(
        f"{RUN}/figures/session_{{session}}.{{suffix}}",
        session=session_names(wildcards),
        suffix=["png", "svg"],
    )


def system_stores(wildcards):
    systems = expand("recordings/{name}", name=session_names(wildcards))
    systems += expand("dynamics/{name}", name=NETWORKS)
    return expand(f"{RUN}/comparison/systems/{{system}}.zarr", system=systems)
