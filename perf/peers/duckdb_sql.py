"""DuckDB, in SQL on one thread.

SQL has no recursion over rows that is fit for this size, so job D writes the EWMA out: with q = 1 - alpha, after k
steps mean = q^k * (x_0 + sum of alpha * q^-i * x_i), and var likewise. q^-k leaves the range of a double after some
13,000 readings of one sensor; the job has 2,000.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow as pa

from perf.peers.job import ALPHA, LEARNED, THRESHOLD, Job, Result

FILE = """
read_json(?, format = 'newline_delimited', columns = {sensor: 'VARCHAR', ts: 'BIGINT', value: 'DOUBLE'})
"""
READ = f"create temp table readings as select row_number() over () as i, sensor, ts, value from {FILE}"
WINDOWS = """
select sensor, ts // 1000 as second, count(*) as count, min(value) as min, max(value) as max, avg(value) as mean,
       arg_max(value, ts) as last
from {readings} group by all
"""
FLAGS = f"""
with taken as (
    select * from (
        select *, max(ts) over earlier as newest from readings
        window earlier as (partition by sensor order by i rows between unbounded preceding and 1 preceding)
    ) where newest is null or ts > newest
), numbered as (
    select *, row_number() over (partition by sensor order by i) - 1 as k from taken
), averaged as (
    select *, pow({1 - ALPHA}, k)
        * sum(if(k = 0, value, {ALPHA} * value * pow({1 - ALPHA}, -k))) over (partition by sensor order by k) as mean
    from numbered
), distances as (
    select *, value - lag(mean) over (partition by sensor order by k) as d from averaged
), spreads as (
    select *, pow({1 - ALPHA}, k) * sum(if(k = 0, 0, {ALPHA * (1 - ALPHA)} * d * d * pow({1 - ALPHA}, -k)))
        over (partition by sensor order by k) as var
    from distances
), scores as (
    select *, d / sqrt(lag(var) over (partition by sensor order by k)) as z from spreads
)
select sensor, ts, value, z from scores where k >= {LEARNED} and abs(z) > {THRESHOLD}
"""


def run(path: Path, job: Job) -> tuple[pa.Table, pa.Table | None]:
    """Job W straight from the file; job D over a table, which both its parts read."""
    with duckdb.connect(config={"threads": 1}) as db:
        if job == "W":
            return db.sql(WINDOWS.format(readings=FILE), params=[str(path)]).to_arrow_table(), None
        db.execute(READ, [str(path)])
        return db.sql(WINDOWS.format(readings="readings")).to_arrow_table(), db.sql(FLAGS).to_arrow_table()


def result(outcome: tuple[pa.Table, pa.Table | None]) -> Result:
    """The tables in the one form."""
    return Result.of(*outcome)
