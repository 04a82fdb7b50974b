"""The check of figures finds texts that lie on each other."""

from matplotlib.figure import Figure

from tests.report.overlaps import overlapping


def test_texts_on_each_other_and_out_of_the_figure_are_found():
    figure = Figure(figsize=(4, 4))
    figure.text(0.5, 0.5, "one")
    assert overlapping(figure) == []
    figure.text(0.51, 0.5, "two")
    figure.text(0.97, 0.1, "a long one")
    assert overlapping(figure) == [
        "'one' lies on 'two'", "'a long one' reaches out of the figure"
    ]  # fmt: skip


def test_tick_labels_that_are_not_drawn_do_not_count():
    figure = Figure(figsize=(4, 4), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xticks([0, 1, 100], ["a", "b", "a very long one"])
    axes.set_xlim(0, 1.1)
    assert overlapping(figure) == []
    axes.set_xticks([0, 0.01], ["one", "two"])
    assert overlapping(figure) == ["'one' lies on 'two'"]
