-- The three busiest authors of each month, with their running total.
-- model:
-- key = ["month", "place"]
-- tests = ["unique(month, place)", "place BETWEEN 1 AND 3"]
-- tags = ["people"]
WITH monthly AS (
    SELECT
        date_trunc('month', committed_at)::DATE AS month,
        author_id,
        count(*) AS commits
    FROM staging.commits
    GROUP BY ALL
),
ranked AS (
    SELECT
        month,
        author_id,
        commits,
        row_number() OVER (PARTITION BY month ORDER BY commits DESC, author_id) AS place,
        sum(commits) OVER (PARTITION BY author_id ORDER BY month) AS commits_so_far
    FROM monthly
)
SELECT month, place, author, ranked.commits, commits_so_far
FROM ranked
JOIN joined.authors USING (author_id)
WHERE place <= 3
ORDER BY month, place
