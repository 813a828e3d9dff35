"""Planted against measured tuning of cells: errors and their control, by hand."""

import numpy as np
import pandas as pd
import pytest

from v1lib.v1_recovery import AGREEMENT_COLUMNS, agreement, agreements

CONTROL = {"n_permutations": 2000, "seed": 0}


def test_error_and_control_are_those_of_a_calculator():
    planted = np.array([1.0, 2.0, 3.0, np.nan, 5.0])
    measured = np.array([1.5, 2.0, 2.5, 4.0, np.nan])
    found = agreement(planted, measured, circular=False, **CONTROL)
    assert (found.n_cells, found.n_planted, found.n_measured, found.n) == (5, 4, 4, 3)
    assert found.error == pytest.approx(1 / 3)
    # Means over the nine pairs: |1.5 - x|, |2 - x|, |2.5 - x| of 1, 2, 3.
    assert found.control == pytest.approx((2.5 + 2.0 + 2.5) / 9, abs=0.02)
    # Of six orders no other one is as near.
    assert found.p == pytest.approx(1 / 6, abs=0.03)


def test_orientations_go_around():
    planted, measured = np.array([1.0, 90.0]), np.array([179.0, 91.0])
    near = agreement(planted, measured, circular=True, **CONTROL)
    far = agreement(planted, measured, circular=False, **CONTROL)
    assert near.error == pytest.approx(1.5) and far.error == pytest.approx(89.5)


def test_equal_cells_cannot_be_told_apart():
    found = agreement(np.ones(4), np.ones(4), circular=False, **CONTROL)
    assert (found.error, found.control, found.p) == (0, 0, 1)


def test_without_a_cell_that_has_both_there_is_no_error():
    found = agreement(np.array([1.0, np.nan]), np.array([np.nan, 1.0]), circular=False, **CONTROL)
    assert (found.n_cells, found.n) == (2, 0)
    assert np.isnan([found.error, found.control, found.p]).all()


def test_every_property_has_a_row_in_its_own_measure():
    cells = pd.DataFrame(
        {
            **{"dataset": "d", "model": "cells", "seed": 3, "unit": [0, 1, 0, 1]},
            "property": ["field_x", "field_x", "drawn_orientation", "drawn_orientation"],
            **{"planted": [0.0, 1.0, 2.0, 60.0], "measured": [0.0, 1.0, 178.0, 60.0]},
            "source_kind": "simulated",
        }
    )
    found = agreements(cells, **CONTROL)
    assert tuple(found) == AGREEMENT_COLUMNS
    assert found["property"].tolist() == ["field_x", "drawn_orientation"]
    assert found["error"].tolist() == pytest.approx([0, 2])
    assert set(found["seed"]) == {3} and set(found["source_kind"]) == {"simulated"}
