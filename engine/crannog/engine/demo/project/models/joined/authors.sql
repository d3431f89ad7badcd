-- One row for each author, under the name that the newest commit carries.
-- model:
-- key = ["author_id"]
-- tests = ["unique(author_id)", "first_commit <= last_commit"]
SELECT
    author_id,
    arg_max(author, (committed_at, commit_id)) AS author,
    min(committed_at) AS first_commit,
    max(committed_at) AS last_commit,
    count(*) AS commits
FROM staging.commits
GROUP BY author_id
