-- Files that change together: when one of them changes, how often does the other?
-- model:
-- key = ["path", "other"]
-- tests = ["unique(path, other)", "together >= 2", "confidence <= 1"]
-- tags = ["code"]
WITH changes AS (
    SELECT path, count(*) AS changes
    FROM staging.file_changes
    GROUP BY path
),
together AS (
    SELECT path, other, count(*) AS together
    FROM joined.pairs
    GROUP BY path, other
    HAVING count(*) >= 2
)
SELECT
    together.path,
    together.other,
    together.together,
    round(together.together / least(one.changes, two.changes), 3) AS confidence
FROM together
JOIN changes AS one ON one.path = together.path
JOIN changes AS two ON two.path = together.other
ORDER BY together DESC, confidence DESC, path, other
