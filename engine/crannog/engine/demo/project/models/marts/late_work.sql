-- Work that arrived later than it was done: rebased, reviewed, or mailed in.
-- model:
-- key = ["week"]
-- tests = ["unique(week)", "late <= commits"]
-- tags = ["activity"]
SELECT
    date_trunc('week', authored_at)::DATE AS week,    -- the week of the work, not of its arrival
    count(*) AS commits,
    count(*) FILTER (WHERE committed_at > authored_at + INTERVAL 1 DAY) AS late,
    max(date_diff('day', authored_at, committed_at)) AS longest_days,
    median(date_diff('second', authored_at, committed_at)) AS median_seconds
FROM staging.commits
GROUP BY ALL
ORDER BY week
