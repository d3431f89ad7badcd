-- Of the authors who began in a month, how many came back n months later.
-- model:
-- key = ["cohort", "months_later"]
-- tests = ["unique(cohort, months_later)", "share BETWEEN 0 AND 1"]
-- tags = ["people"]
WITH active AS (
    SELECT DISTINCT author_id, date_trunc('month', committed_at) AS month
    FROM staging.commits
),
cohorts AS (
    SELECT author_id, date_trunc('month', first_commit) AS cohort
    FROM joined.authors
),
sizes AS (
    SELECT cohort, count(*) AS began
    FROM cohorts
    GROUP BY cohort
)
SELECT
    cohort::DATE AS cohort,
    date_diff('month', cohort, active.month) AS months_later,
    any_value(began) AS began,
    count(*) AS came_back,
    round(count(*) / any_value(began), 3) AS share
FROM active
JOIN cohorts USING (author_id)
JOIN sizes USING (cohort)
GROUP BY cohort, months_later
ORDER BY cohort, months_later
