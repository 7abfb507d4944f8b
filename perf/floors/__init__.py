"""The floor of each detector: its arithmetic as the plainest numba loop over flat arrays.

No records, no lookup of slots, no contract, no hysteresis or grades, no marks, no check of the readings (but for
`bounds`, where comparing times is half of the work): only what must be computed for each reading, over the same
readings. A floor counts what it finds, so that nothing is optimised away.

Each floor is one loop from beginning to end: a part that two of them shared, such as the gathering of blocks, could
cost what the plainest loop does not.
"""
