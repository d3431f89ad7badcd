-- What happened in each week, quiet weeks included.
-- model:
-- key = ["week"]
-- tests = ["unique(week)", "commits >= 0"]
-- tags = ["activity"]
WITH span AS (
    SELECT
        date_trunc('week', min(committed_at)) AS first_week,
        date_trunc('week', max(committed_at)) AS last_week
    FROM staging.commits
),
weeks AS (
    SELECT unnest(generate_series(first_week, last_week, INTERVAL 7 DAY))::DATE AS week
    FROM span
),
commits AS (
    SELECT
        date_trunc('week', committed_at)::DATE AS week,
        count(*) AS commits,
        count(DISTINCT author_id) AS authors
    FROM staging.commits
    GROUP BY ALL
),
lines AS (
    SELECT
        week,
        count(DISTINCT path) AS files,
        sum(lines_added) AS lines_added,
        sum(lines_deleted) AS lines_deleted
    FROM joined.touches
    GROUP BY week
)
SELECT
    weeks.week,
    coalesce(commits.commits, 0) AS commits,
    coalesce(commits.authors, 0) AS authors,
    coalesce(lines.files, 0) AS files,
    coalesce(lines.lines_added, 0) AS lines_added,
    coalesce(lines.lines_deleted, 0) AS lines_deleted,
    sum(coalesce(commits.commits, 0)) OVER (ORDER BY weeks.week) AS commits_so_far
FROM weeks
LEFT JOIN commits USING (week)
LEFT JOIN lines USING (week)
ORDER BY week
