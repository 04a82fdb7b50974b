"""What the stores of the stage ``recordings`` hold."""

from __future__ import annotations

from mesomode.store import Schema, Variable

STIMULI = (
    "spontaneous",
    "drifting_gratings",
    "static_gratings",
    "natural_scenes",
    "natural_movie_one",
    "natural_movie_two",
    "natural_movie_three",
    "locally_sparse_noise",
    "locally_sparse_noise_4deg",
    "locally_sparse_noise_8deg",
    "trials",
)
"""Stimuli that can be told apart; ``trials``: those of a recording of one's own."""
SIGNALS = ("dff", "events")
COLUMNS = {
    "orientation": ("degree", "direction or orientation of a grating"),
    "temporal_frequency": ("Hz", "cycles a second of a drifting grating"),
    "spatial_frequency": ("cycle/degree", "cycles a degree of a static grating"),
    "phase": ("cycle", "phase of a static grating"),
    "frame": ("1", "index of the image or movie frame, -1: blank screen"),
    "repeat": ("1", "how often a movie was shown before"),
    "blank_sweep": ("1", "1: blank screen"),
    "condition": ("1", "number of the condition in a recording of one's own"),
}
SHOWN = {
    **{name: COLUMNS[name] for name in COLUMNS if name not in ("repeat", "blank_sweep")},
    "clip": ("1", "clip of a movie"),
}
WITH_IMAGES = tuple(name for name in STIMULI if name.startswith(("natural", "locally")))
FIELDS = {"": (16, 28), "_8deg": (8, 14)}
"""Endings of the variables of receptive fields, and the rows and columns of the noise."""
SCHEMA = Schema(
    "recordings",
    {
        "time": Variable(("time",), "float64", "s", "time of the frame"),
        "unit": Variable(("unit",), "int64", "1", "cell specimen id; -n: unmatched, row n"),
        "roi": Variable(("unit",), "int64", "1", "id of the region of interest"),
        "dff": Variable(
            ("time", "unit"), "float32", "1", "relative fluorescence change", optional=True
        ),
        "events": Variable(
            ("time", "unit"), "float32", "1", "size of detected events", optional=True
        ),
        "running_speed": Variable(
            ("time",), "float32", "cm/s", "running speed; NaN: not measured", optional=True
        ),
        "pupil_size": Variable(
            ("time",), "float32", "pixel", "area of the pupil; NaN: not seen", optional=True
        ),
        "pupil_location": Variable(
            ("time", "axis"), "float32", "cm", "gaze on the screen, x and y", optional=True
        ),
        "pupil_location_spherical": Variable(
            ("time", "axis"), "float32", "degree", "gaze, altitude and azimuth", optional=True
        ),
        "region": Variable(
            ("unit", "region_part"),
            "float32",
            "pixel",
            "column and row of the centre of the region of interest, and its number of pixels",
            optional=True,
        ),
        "metric": Variable(
            ("unit", "metric"),
            "float64",
            "1",
            "published measures, named in the attribute `metrics`; NaN: none",
            optional=True,
        ),
        **{
            f"template_{name}": Variable(
                (f"{name}_image", f"{name}_row", f"{name}_column"),
                "uint8",
                "1",
                "brightness of the images shown; the attribute `templates` tells of the originals",
                optional=True,
            )
            for name in WITH_IMAGES
        },
        "presentation_stimulus": Variable(
            ("presentation",), "int8", "1", "which stimulus", flags=STIMULI
        ),
        "presentation_start": Variable(("presentation",), "int64", "1", "first frame"),
        "presentation_end": Variable(("presentation",), "int64", "1", "frame after the last"),
        **{
            f"presentation_{name}": Variable(
                ("presentation",), "float64", unit, f"{meaning}; NaN: blank or not applicable"
            )
            for name, (unit, meaning) in COLUMNS.items()
        },
        "trial_stimulus": Variable(("trial",), "int8", "1", "which stimulus", flags=STIMULI),
        "trial_start": Variable(("trial",), "int64", "1", "first frame of the presentation"),
        "trial_end": Variable(("trial",), "int64", "1", "frame after the presentation"),
        "trial_condition": Variable(("trial",), "int32", "1", "index along condition"),
        "trial_response": Variable(
            ("trial", "unit"),
            "float32",
            "1",
            "mean signal in the response window; NaN: it was not measured throughout",
        ),
        "condition_stimulus": Variable(
            ("condition",), "int8", "1", "which stimulus", flags=STIMULI
        ),
        **{
            f"condition_{name}": Variable(
                ("condition",), "float64", unit, f"{meaning}; NaN: blank or not applicable"
            )
            for name, (unit, meaning) in SHOWN.items()
        },
        "response_mean": Variable(
            ("condition", "unit"), "float32", "1", "response averaged over trials; NaN: none"
        ),
        "response_deviation": Variable(
            ("condition", "unit"), "float32", "1", "standard deviation over trials; NaN: < 2"
        ),
        "response_trials": Variable(("condition", "unit"), "int32", "1", "number of trials"),
        "tested_stimulus": Variable(("test",), "int8", "1", "which stimulus", flags=STIMULI),
        "tuning_statistic": Variable(
            ("test", "unit"), "float64", "1", "F of one-way analysis of variance; NaN: constant"
        ),
        "tuning_p_value": Variable(
            ("test", "unit"), "float64", "1", "p-value over conditions; NaN: cannot be tested"
        ),
        "tuned_fraction": Variable(("test",), "float64", "1", "fraction of units below alpha"),
        "offset": Variable(("offset",), "float64", "s", "time from the onset of a presentation"),
        "aligned_response": Variable(
            ("condition", "offset", "unit"),
            "float32",
            "1",
            "mean course of the signal around the onset; NaN: no trial measured throughout",
        ),
        **{
            name: Variable(("test", "unit"), "float64", "1", meaning)
            for name, meaning in {
                "signal_variance": "variance over conditions without that of the noise, unbiased",
                "noise_variance": "variance over trials about the mean of the condition",
                "noise_ceiling": "R2 that the true means reach on the measured; NaN: constant",
                "noise_ceiling_single": "R2 that the true means reach on single trials",
                "reliability_half": "correlation of the means of random halves of the trials",
                "reliability": "the same for all trials, after Spearman and Brown; NaN: unknown",
            }.items()
        },
        **{
            name: Variable(
                ("test", "unit", "other"),
                "float32",
                "1",
                f"{meaning}; NaN: gaps or constant",
                optional=True,
            )
            for name, meaning in {
                "noise_correlation": "correlation over trials about the means of the conditions",
                "signal_correlation": "correlation over conditions, without that of the noise",
            }.items()
        },
        **{
            name: Variable(("test",), "float64", "1", meaning)
            for name, meaning in {
                "noise_correlation_mean": "mean noise correlation over pairs of units",
                "signal_correlation_mean": "mean signal correlation over pairs of tuned units",
                "signal_correlation_plain": "the same of the measured means, noise included",
                "signal_dimension": "dimension of the true means, noise-corrected; NaN: noisy",
                "signal_dimension_error": "its jackknife standard error over conditions",
                "signal_dimension_scaled": "the same, units scaled by the noise of a trial",
                "signal_dimension_scaled_error": "its jackknife standard error",
            }.items()
        },
        "signal_eigenvalue": Variable(
            ("test", "signal_mode"),
            "float64",
            "1",
            "variance over conditions that repeats, along directions of other trials; NaN: no more",
        ),
        **{
            f"{name}{ending}": Variable(
                ("field" + ending, "polarity", "row" + ending, "column" + ending, "unit"),
                "float32",
                unit,
                meaning,
                optional=True,
            )
            for ending in FIELDS
            for name, unit, meaning in (
                (
                    "receptive_field_score",
                    "1",
                    "mean response while a pixel was on or off, in standard errors",
                ),
                ("receptive_field", "1", "change of the response by a pixel, by regression"),
            )
        },
        **{
            f"receptive_field_stimulus{ending}": Variable(
                ("field" + ending,), "int8", "1", "which noise", flags=STIMULI, optional=True
            )
            for ending in FIELDS
        },
        **{
            f"receptive_field_p_value{ending}": Variable(
                ("field" + ending, "unit"),
                "float64",
                "1",
                "probability that the largest score is chance; NaN: not measured",
                optional=True,
            )
            for ending in FIELDS
        },
        **{
            f"receptive_field_centre{ending}": Variable(
                ("field" + ending, "axis", "unit"),
                "float64",
                "pixel",
                "row and column of the centre of the scores; NaN: not measured",
                optional=True,
            )
            for ending in FIELDS
        },
        "trace": Variable(("trace",), "int8", "1", "which signal", flags=SIGNALS),
        **{
            f"trace_{name}": Variable(("trace",), "float64", unit, f"{meaning}, by signal")
            for name, unit, meaning in (
                ("participation_ratio", "1", "unbiased dimension; NaN: unknown"),
                ("participation_ratio_error", "1", "its standard error; NaN: unknown"),
                ("participation_ratio_plain", "1", "dimension of the sample covariance"),
                ("half_width", "s", "lag at which the autocovariance is half; NaN: unknown"),
                ("integrated_time", "s", "integral of the autocorrelation; NaN: unknown"),
            )
        },
        **{
            f"trace_{name}": Variable(("trace", "test"), "float64", "1", f"{meaning}, by signal")
            for name, meaning in (
                ("tuned_fraction", "fraction of the units below alpha"),
                ("reliability", "median over tuned units"),
                ("noise_ceiling", "median over tuned units"),
                ("noise_correlation_mean", "mean over pairs"),
                ("signal_dimension", "dimension of the true means"),
            )
        },
        "unit_status": Variable(
            ("unit",),
            "int8",
            "1",
            "whether it enters dimension and time-scales",
            flags=("used", "gaps", "constant"),
        ),
        "covariance_eigenvalue": Variable(
            ("mode",), "float64", "1", "eigenvalues of the covariance over time, largest first"
        ),
        **{
            name: Variable((), "float64", "1", meaning)
            for name, meaning in {
                "participation_ratio_plain": "dimension of the sample covariance (biased low)",
                "participation_ratio": "dimension, unbiased; NaN: too few blocks or too noisy",
                "participation_ratio_error": "its jackknife standard error; NaN: < 5 blocks",
                "participation_ratio_zscored": "unbiased, of units scaled to variance one",
                "participation_ratio_zscored_plain": "plain, of units scaled to variance one",
                "trace_squared": "unbiased (tr C)^2 of the covariance C",
                "square_trace": "unbiased tr C^2",
                "diagonal_square": "unbiased sum of the squared variances",
            }.items()
        },
        "subset": Variable(("subset",), "int32", "1", "number of units in a random subset"),
        "participation_ratio_subset": Variable(
            ("subset",), "float64", "1", "unbiased dimension expected for the subset"
        ),
        "lag": Variable(("lag",), "float64", "s", "lag of the autocorrelation"),
        "autocovariance": Variable(
            ("lag",), "float64", "1", "mean autocovariance of the units that are used"
        ),
        "unit_autocorrelation": Variable(
            ("lag", "unit"), "float32", "1", "autocorrelation of each unit; NaN: not used"
        ),
        "unit_exponential_time": Variable(
            ("unit",), "float64", "s", "exponential time of each unit; NaN: no such decay"
        ),
        **{
            name: Variable((), "float64", "s", meaning)
            for name, meaning in {
                "exponential_time": "exponential fitted to the mean autocovariance; NaN: none",
                "half_width": "lag at which the mean autocovariance is half; NaN: beyond lags",
                "integrated_time": "integral of the mean autocorrelation; NaN: beyond lags",
                "integrated_square_time": "integral of its square over both signs of lag",
            }.items()
        },
    },
)
