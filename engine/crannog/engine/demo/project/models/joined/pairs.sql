-- Pairs of files that one commit changed; commits that sweep over everything say nothing here.
-- model:
-- tests = ["path < other"]
WITH focused AS (
    SELECT commit_id
    FROM staging.file_changes
    GROUP BY commit_id
    HAVING count(*) BETWEEN 2 AND 30
)
SELECT one.commit_id, one.path, two.path AS other
FROM staging.file_changes AS one
JOIN staging.file_changes AS two ON two.commit_id = one.commit_id AND two.path > one.path
WHERE one.commit_id IN (SELECT commit_id FROM focused)
